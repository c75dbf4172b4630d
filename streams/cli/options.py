"""Options that several commands have, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rules.dates import parse_date
from rules.durations import parse_duration
from rules.errors import SettingsError
from rules.load import load_ruleset
from streams.settings import load_settings

if TYPE_CHECKING:
    from rules.ruleset import Ruleset
    from streams.settings import Settings

PATIENCE_S = 5.0
"""How long a command that asks Redis once waits for it: a person sits in front of it."""

RulesOption = Annotated[
    Path | None, typer.Option("--rules", metavar="PATH", help="The definitions: a file or a folder. [SEGUE_RULES]")
]
BrokerOption = Annotated[str | None, typer.Option("--broker", metavar="HOST:PORT", help="Kafka. [SEGUE_BROKER]")]
RedisOption = Annotated[str | None, typer.Option("--redis", metavar="URL", help="Redis or Valkey. [SEGUE_REDIS]")]
AppIdOption = Annotated[
    str | None, typer.Option("--app-id", metavar="ID", help="The app: its group and its keys. [SEGUE_APP_ID]")
]
TopicPrefixOption = Annotated[
    str | None, typer.Option("--topic-prefix", metavar="TEXT", help="Before each topic's name. [SEGUE_TOPIC_PREFIX]")
]
PartitionsOption = Annotated[
    int | None,
    typer.Option("--partitions", metavar="N", help="Partitions of events and changes. [SEGUE_PARTITIONS]"),
]

ModelsFileOption = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Read what `segue replay --in-memory --models FILE` wrote."),
]


def settings_of(**options: Any) -> Settings:
    """Return the settings in force with these options over them; raises `SettingsError`."""
    return load_settings(options)[0]


def rules_of(settings: Settings) -> Ruleset:
    """Return the ruleset that the settings name; raises `SettingsError` or `DefinitionError`."""
    if settings.rules is None:
        message = (
            "no definitions are named: give --rules PATH, or set SEGUE_RULES; `segue init` writes a starter folder"
        )
        raise SettingsError(message)
    return load_ruleset(settings.rules)


def instant(text: str) -> int:
    """Return the UTC milliseconds of a date-time or a date on the command line."""
    at_ms = parse_date(text)
    if at_ms is None:
        message = f"{text!r} is no instant; write 2026-03-01T12:00:00Z, or 2026-03-01 for 00:00 UTC"
        raise typer.BadParameter(message)
    return at_ms


def step(text: str) -> int:
    """Return the milliseconds of a duration above zero on the command line."""
    try:
        step_ms = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if step_ms == 0:
        message = "a step of no time never ends; write 7d"
        raise typer.BadParameter(message)
    return step_ms
