"""`segue worker`: events in, segment changes out, until it is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rules.load import load_text
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import serve
from streams.cli.options import (
    AppIdOption,
    BrokerOption,
    RedisOption,
    RulesOption,
    TopicPrefixOption,
    rules_of,
    settings_of,
)

if TYPE_CHECKING:
    from rules.ruleset import Ruleset
    from state.store import Store
    from streams.settings import Settings

FromScratchOption = Annotated[
    bool,
    typer.Option(
        "--from-scratch", help="Where the store has nothing of the app, read the events from their beginning again."
    ),
]
AcceptRollbackOption = Annotated[
    bool, typer.Option("--accept-rollback", help="Go on where the store was set back; what is out stays out once.")
]


def worker(
    *,
    rules: RulesOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
    from_scratch: FromScratchOption = False,
    accept_rollback: AcceptRollbackOption = False,
) -> None:
    """Work on the topic of events until stopped; start as many as you like, they share the partitions.

    The rules become the active ones where none are; else the worker runs what is active (`segue apply` moves it) and
    says so. SIGTERM or Ctrl-C lets it finish the step under way.
    """
    settings = settings_of(rules=rules, broker=broker, redis=redis, app_id=app_id, topic_prefix=topic_prefix)
    serve(_work(settings, from_scratch=from_scratch, accept_rollback=accept_rollback), settings.log_level)


async def _work(settings: Settings, *, from_scratch: bool, accept_rollback: bool) -> None:
    store = RedisStore(settings.redis, settings.app_id)
    await store.start()
    try:
        ruleset = await _ruleset(settings, store)
        async with build_app(
            settings, store, ruleset, from_scratch=from_scratch, accept_rollback=accept_rollback
        ) as running:
            await running.run()
    finally:
        await store.close()


async def _ruleset(settings: Settings, store: Store) -> Ruleset:
    """Return the rules that are named, or without any the active ones."""
    active = await store.active_ruleset() if settings.rules is None else None
    return rules_of(settings) if active is None else load_text(active.source, f"ruleset {active.version}", json=True)
