"""`segue replay`: a file of events, or a log, through a ruleset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.frame import TerminalReport, say
from streams.cli.options import RulesOption, instant, rules_of, settings_of, step
from streams.replay.from_file import replay_in_memory
from streams.replay.plan import Plan

if TYPE_CHECKING:
    from streams.replay.outcome import Outcome

EventsOption = Annotated[
    Path,
    typer.Option("--events", metavar="FILE", help="One event, as JSON, a line; .gz as well.", show_default=False),
]
UntilOption = Annotated[
    int | None,
    typer.Option(
        "--until", metavar="TIME", parser=instant, help="The horizon; without it, the newest time of an applied event."
    ),
]
ChangesOption = Annotated[
    Path | None, typer.Option("--changes", metavar="FILE", help="Write the changes there, one a line.")
]
StepOption = Annotated[
    int | None,
    typer.Option("--step", metavar="7d", parser=step, help="How often, in stream time, to say where things stand."),
]
InMemoryOption = Annotated[bool, typer.Option("--in-memory", help="Do the same with no services at all.")]


def replay(
    events: EventsOption,
    rules: RulesOption = None,
    until: UntilOption = None,
    changes: ChangesOption = None,
    step: StepOption = None,
    in_memory: InMemoryOption = False,
) -> None:
    """Replay a file of events on its own clock, and say who crossed which segment when.

    Time is the events' own: what is due for a customer before their next event fires before it, and what is due up
    to the horizon at the end. Lines that are no events are counted by reason and do not change the exit status.
    """
    settings = settings_of(rules=rules)
    plan = Plan(
        ruleset=rules_of(settings),
        events=events,
        app_id=settings.app_id,
        max_late_ms=settings.max_late,
        until_ms=until,
        changes=changes,
        step_ms=step,
    )
    with TerminalReport() as report:
        outcome = replay_in_memory(plan, report)
    _summarise(outcome)


def _summarise(outcome: Outcome) -> None:
    for line in outcome.summary():
        say(line)
