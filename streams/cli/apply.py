"""`segue apply`: another ruleset becomes the active one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rules.load import load_ruleset
from state.redis import RedisStore
from streams.cli.frame import run, say
from streams.cli.options import PATIENCE_S, AppIdOption, RedisOption, settings_of
from streams.redis_access import durability_of, redis_url

if TYPE_CHECKING:
    from rules.ruleset import Ruleset
    from streams.settings import Settings

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="The definitions: a file or a folder.")]


def apply(path: PathArgument, *, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Make a ruleset the active one; running workers change over between two chunks.

    Every customer is evaluated under it at their next event, or by a pass over all of them; what changes then has the
    cause `definition`. What is kept for conditions that both rulesets have goes on counting; new ones start empty.
    """
    ruleset = load_ruleset(path)
    for warning in ruleset.warnings:
        say(str(warning))
    run(_apply(settings_of(redis=redis, app_id=app_id), ruleset))


async def _apply(settings: Settings, ruleset: Ruleset) -> None:
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=PATIENCE_S, **durability_of(settings))
    await store.start()
    try:
        before = await store.active_ruleset()
        active = await store.activate(ruleset.version, ruleset.source)
    finally:
        await store.close()
    if before is not None and before.number == active.number:
        say(f"ruleset {active.version} is active already, as number {active.number}")
        return
    former = "there was none" if before is None else f"it was {before.version}, number {before.number}"
    say(f"ruleset {active.version} is active now, as number {active.number}; {former}")
