"""Where everything meets: settings, store, definitions and a clock become a worker.

async with build_app(settings, store, ruleset) as worker:
    await worker.run()
"""

from __future__ import annotations

import contextlib
import gc
import logging
from typing import TYPE_CHECKING

from rules.errors import ServiceError, TopicError
from state.form import engine_form
from streams.chunk_app import chunk_app
from streams.clocks import live_clock
from streams.collector import calm_collector
from streams.counters import Counters
from streams.definitions import Definitions
from streams.fence import EpochFence, KafkaFence, has_producer_ids
from streams.group import Group
from streams.parts import Parts
from streams.poison import PoisonLimit
from streams.producers import plain_producer
from streams.rejected import RejectedTopic
from streams.roles import check_role, workers_rights
from streams.samples_topic import SamplesTopic
from streams.signs import Signs
from streams.snapshots import SnapshotFollower
from streams.tail import TailReader
from streams.topics import Topics
from streams.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rules.ruleset import Ruleset
    from state.store import Store
    from streams.clocks import Clock
    from streams.fence import Fence
    from streams.settings import Settings

log = logging.getLogger(__name__)

COLLECTOR_THRESHOLDS = (50_000, 20, 100)


@contextlib.asynccontextmanager
async def build_app(
    settings: Settings,
    store: Store,
    ruleset: Ruleset,
    *,
    clock: Clock | None = None,
    group: str | None = None,
    from_scratch: bool = False,
    accept_rollback: bool = False,
) -> AsyncIterator[Worker]:
    """Run a worker for as long as the context lasts; leaving it finishes what is under way.

    Parameters
    ----------
    store
        Started and closed by the caller.
    ruleset
        The definitions; made the active ones where none are.
    clock
        The live one of the settings where None; a replay passes its `StreamClock`.
    group
        The consumer group, the app id where None; a replay of the same app has one of its own.
    from_scratch
        Read from the beginning where the store has nothing, even if the app has been here before.
    accept_rollback
        Go on where the store was set back to an older state.

    Raises
    ------
    TopicError
        if a topic is missing or not as it must be.
    ServiceError
        if broker or store cannot be reached, or the broker cannot keep two publishers apart.
    """
    # before anything is made active; where another ruleset is, and has models, the first take-over looks at theirs
    models = bool(ruleset.models)
    found = await check_role(settings, workers_rights(settings, models=models), models=models)
    if fatal := [str(finding) for finding in found if finding.fatal]:
        raise TopicError("\n".join(fatal))
    log.info("the engine is %s", engine_form())
    async with build_parts(
        settings,
        store,
        ruleset,
        clock=clock,
        group=group,
        from_scratch=from_scratch,
        accept_rollback=accept_rollback,
    ) as parts:
        unbroken = isinstance(parts.fence, EpochFence)
        worker = Worker(parts, chunk_app(settings, parts.topics.events, group or settings.app_id, unbroken=unbroken))
        with _calm_collector():
            try:
                await worker.start()
                with calm_collector():
                    yield worker
            finally:
                await worker.stop()


@contextlib.asynccontextmanager
async def build_parts(
    settings: Settings,
    store: Store,
    ruleset: Ruleset,
    *,
    clock: Clock | None = None,
    group: str | None = None,
    from_scratch: bool = False,
    accept_rollback: bool = False,
) -> AsyncIterator[Parts]:
    """Put together what one worker's tenures share; the topics are as they must be. Parameters as of `build_app`."""
    fence = await _fence(settings, store)
    definitions = await Definitions.begin(store, settings, ruleset)
    topics, counters, signs = Topics.named(settings), Counters(), Signs()
    async with plain_producer(settings) as producer:
        yield Parts(
            settings=settings,
            topics=topics,
            store=store,
            definitions=definitions,
            clock=clock or live_clock(settings),
            fence=fence,
            tail=TailReader(
                settings,
                topics.changes,
                deadline_s=settings.takeover_deadline / 1000,
                sign=signs.give,
            ),
            group=Group(settings, group or settings.app_id, topics.events),
            rejected=RejectedTopic(producer, topics.rejected, settings.publish_deadline / 1000),
            producer=producer,
            poison=PoisonLimit(settings.poison_per_minute),
            samples=SamplesTopic(producer, topics.samples, settings.publish_deadline / 1000),
            snapshots=SnapshotFollower(settings, topics, counters),
            counters=counters,
            signs=signs,
            from_scratch=from_scratch,
            accept_rollback=accept_rollback,
        )


@contextlib.contextmanager
def _calm_collector() -> Iterator[None]:
    """Let the garbage collector look less often: it found nothing in a chunk, and took 4 to 5 µs an event to look."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _fence(settings: Settings, store: Store) -> Fence:
    """Return the broker's fence, or for the embedded broker the store's; both of its weaknesses have one setting."""
    topic, deadline_s = Topics.named(settings).changes, settings.takeover_deadline / 1000
    if await has_producer_ids(settings):
        return KafkaFence(settings, topic, deadline_s=deadline_s)
    if not settings.allow_create_time:
        message = (
            f"{settings.broker}: the broker has no producer ids, which keep two workers from publishing the changes of "
            "one partition. Use Apache Kafka; for the embedded broker set SEGUE_ALLOW_CREATE_TIME=true"
        )
        raise ServiceError(message)
    log.info("the broker has no producer ids: changes are fenced by the store alone")
    return EpochFence(settings, store)
