"""`segue worker`: events in, segment changes out, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import logging
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rules.errors import AccessError, SegueError, ServiceError
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
from streams.definitions import read_active
from streams.producers import plain_producer
from streams.pulse import END_S, Pulse
from streams.redis_access import durability_of, redis_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rules.ruleset import Ruleset
    from state.store import Store
    from streams.http.probes import Probes
    from streams.settings import Settings
    from streams.worker import Worker

log = logging.getLogger(__name__)

_PATIENCE_S = 120.0
_PAUSE_S = 0.5

_REPLICAS = "SEGUE_REDIS_REPLICAS=1 has each commit wait for a replica"

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
    work = _work(settings, from_scratch=from_scratch, accept_rollback=accept_rollback)
    serve(work, settings.log_level, settings.log_format)


async def _work(settings: Settings, *, from_scratch: bool, accept_rollback: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        beats = _Beats()
        end_s = END_S + settings.revoke_deadline / 1000
        pulse = stack.enter_context(Pulse(beats, settings.stall_deadline / 1000, end_s=end_s))
        probes = await stack.enter_async_context(_probing(settings))
        await _broker_there(settings)
        store = RedisStore(redis_url(settings), settings.app_id, **durability_of(settings))
        await store.start()
        stack.push_async_callback(store.close)
        if "+cluster" in settings.redis and not settings.redis_replicas:
            log.warning("a failover in the cluster may lose commits, and views be ahead of them: %s", _REPLICAS)
        ruleset = await _ruleset(settings, store)
        beats.worker = await stack.enter_async_context(
            build_app(settings, store, ruleset, from_scratch=from_scratch, accept_rollback=accept_rollback)
        )
        if probes is not None:
            probes.begun(beats.worker)
        try:
            await beats.worker.run()
        except SegueError as error:
            pulse.ending(str(error))
            raise
        finally:
            pulse.ending("it has failed, or was asked to stop")


async def _broker_there(settings: Settings) -> None:
    """Wait for a broker that is away, as the store does for Redis; raises what was said last, `AccessError` at once."""
    deadline_s, waits = time.monotonic() + _PATIENCE_S, False
    while True:
        try:
            async with plain_producer(settings):
                return
        except AccessError:
            raise
        except ServiceError as error:
            if time.monotonic() > deadline_s:
                raise
            if not waits:
                log.warning("%s (trying again for %g s)", error, _PATIENCE_S)
            waits = True
        await asyncio.sleep(_PAUSE_S)


class _Beats:
    """Grows as long as the event loop turns, as far as that is known."""

    def __init__(self) -> None:
        """Count by itself until there is a worker."""
        self.worker: Worker | None = None
        self._before = itertools.count()

    def __call__(self) -> int:
        """Return the count."""
        return next(self._before) if self.worker is None else self.worker.watchdog.looks


@contextlib.asynccontextmanager
async def _probing(settings: Settings) -> AsyncIterator[Probes | None]:
    """Listen on the worker's port where it has one."""
    if settings.worker_port is None:
        yield None
        return
    found = importlib.import_module("streams.http.probes")  # a web server and a framework: not for who has no port
    async with found.probing(settings) as (probes, _):
        yield probes


async def _ruleset(settings: Settings, store: Store) -> Ruleset:
    """Return the rules that are named, or without any the active ones."""
    active = await store.active_ruleset() if settings.rules is None else None
    return rules_of(settings) if active is None else read_active(active)
