"""A worker meets a fault at each await of its take-over, commit and publication: all is said once all the same.

The places are the product's own: a run without faults says where a worker waits (`tests/chaos/awaits.py` reads the
names from the source), and one trial stops another worker at each. In CI each await is met at its first suspension and
at its last, with SEGUE_CHAOS=2 or more at every one, and every pair of places of two take-overs that cross.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
from random import Random
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.chaos.awaits import SENDING, all_awaits
from tests.chaos.scene import TIMES
from tests.chaos.stage import make_stage
from tests.chaos.stand_in import StandIn, task_factory
from tests.chaos.trials import (
    Trial,
    be_cancelled,
    come_back,
    cross,
    die,
    leave_half_done,
    lose_a_reply,
    points_of,
    run_all,
    stand_still,
)

if TYPE_CHECKING:
    import contextlib
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from streams.embedded import EmbeddedValkey
    from tests.chaos.stage import Stage
    from tests.chaos.trials import Fault, Point
    from tests.integration.conftest import Broker

    MakeStage = Callable[[int], contextlib.AbstractAsyncContextManager[Stage]]

EVERY = TIMES > 1
CROSSINGS = 24
"""How many pairs of places CI draws from all."""

RETURNS = 20
"""Likewise of places at which a partition comes back."""

A_STAGE = 120
"""Trials on one stage."""

T = TypeVar("T")

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(3_600 if EVERY else 300),
    # those who are killed close nothing
    pytest.mark.filterwarnings("ignore:(?i)unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning"),
]

TAKING_OVER = "Tenure.begin: "
PUBLICATIONS = 6
"""So many times at least a worker publishes in one run."""

MUST_WAIT = {
    "Tenure.begin: take_over",
    "take_over: parts.store.take_over",
    "take_over: parts.fence.own",
    "take_over: _see_that_it_is_ours",
    "_check_topics: topic_ids",
    "take_over: parts.tail.read",
    "_check_offset: parts.group.has_offset",
    "_check_offset: parts.group.beginning",
    "take_over: parts.store.outbox",
    "take_over: publisher.publish",
    "_write_views: parts.store.pending_views",
    "_write_views: parts.store.load",
    "_write_views: parts.store.write_views",
    "Tenure.begin: tenure._sweeper.look",
    "Tenure._take_part: self._parts.rejected.send",
    "Tenure._take_part: self._commit",  # a chunk's
    "Tenure._fire: self._commit",  # a sweep's
    "Tenure.run: self._commit",  # what is left to trim, when a tenure ends
    "Tenure._commit: parts.store.commit",
    "Tenure._commit: asyncio.gather",
    "Publisher._acknowledged: waiting[0]",
    "Tenure._show: self._parts.store.write_views",
    "Tenure.end: self._publisher.close",
}
"""What must be among the places, whatever becomes of the code: each is where a commit, or a change, may get lost."""

NOT_MET = {
    "has_producer_ids": "it is asked before there is a partition",
    "Tenure._change_over": "no other ruleset becomes active here; its commits are made as a sweep's",
    "Tenure.run: self._change_over": "likewise",
    "Tenure.finish": "it ends a replay, which begins anew when it fails",
    "Tenure._finish": "likewise",
    "Tenure.run: self._finish": "likewise",
    "Tenure._take: self._take_part (2)": "for chunks that make more than 4 MB of changes; as the first one",
    "Tenure.begin: parts.snapshots.ready": "no models: it does not wait",
    "take_over: parts.samples.send": "no models",
    "Tenure._fire: batch.advance": "all customers are known to the tenure: it does not wait",
    "Tenure.begin: tenure.end": "for what fails in between",
    "Tenure.end: self._sweeper.close": "no tick is under way",
    "take_over: right.close": "for what fails in between",
    "take_over: right.close (2)": "likewise",
    "take_over: _see_that_it_is_ours (2)": "likewise",
    "take_over: _unseen": "the store was not set back",
    "_unseen: parts.store.load": "likewise",
    "Publisher._send: self._acknowledged": "for more than 1 MB of changes; as the second one, (2)",
    "TailReader._records: consumer.position": "it does not wait where a consumer has a position",
    "_start: stop_producer": "for what fails in between",
    "_empty_transaction: manager.wait_for_transaction_end": "likewise",
    "_empty_transaction: producer.begin_transaction": "it does not wait for the broker",
    "Publisher._send: self._right.producer.send_batch": "it waits for the broker only when it knows no leader",
}
"""The awaits, or all those of a function, at which nothing is tried, and why."""


@pytest.fixture(autouse=True)
async def driven(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Let the tasks of stand-ins be driven; and sweeps follow one another without a pause."""
    monkeypatch.setattr("streams.sweeper.PAUSE_S", 0.0)
    asyncio.get_running_loop().set_task_factory(task_factory)
    yield
    for _ in range(3):  # what the killed left open goes while its loop is there
        await asyncio.sleep(0)
        gc.collect()


@pytest.fixture
def make(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> MakeStage:
    """Return what makes a stage with so many partitions."""
    count = itertools.count()

    def make(partitions: int) -> contextlib.AbstractAsyncContextManager[Stage]:
        number = next(count)
        return make_stage(broker, valkey.url, f"{topic_prefix}{number}.", f"{app_id}-{number}", partitions)

    return make


class Places:
    """Where a worker waits: one that finds nothing, and one that finds a commit whose changes are not public."""

    def __init__(self, fresh: Sequence[tuple[str, ...]], left: Sequence[tuple[str, ...]]) -> None:
        """Take what two runs without faults met."""
        self.waits_fresh, self.waits_left, self.waits = fresh, left, [*fresh, *left]
        self.fresh = points_of(fresh, every=EVERY)
        known = {point.awaits for point in self.fresh}
        every = points_of(left, every=EVERY)
        take_over = [point for point in every if point.awaits[0].startswith(TAKING_OVER)]
        self.left = [
            *take_over,
            *(point for point in every if point not in take_over and point.awaits not in known),
        ]

    @property
    def all(self) -> list[tuple[Point, bool]]:
        """All places, each with whether a commit is found whose changes are not public."""
        return [(point, False) for point in self.fresh] + [(point, True) for point in self.left]

    def take_overs(self, *, left: bool) -> list[Point]:
        """Return the places of a take-over: of each await its first and its last."""
        waits = self.waits_left if left else self.waits_fresh
        return [point for point in points_of(waits, every=False) if point.awaits[0].startswith(TAKING_OVER)]


@pytest.fixture
async def places(make: MakeStage) -> Places:
    async with make(2) as stage:
        await leave_half_done(stage, 1)
        found = []
        for partition in range(2):
            worker = StandIn()
            await worker.run(stage.hand.once(partition))
            found.append(worker.waits)
        assert await stage.verdict() == []
        return Places(*found)


async def test_every_await_of_the_product_is_a_place(places: Places, broker: Broker) -> None:
    """A new await that no run comes to fails this test, and so does one that is gone."""
    known = all_awaits()
    assert NOT_MET.keys() <= known | {name.partition(": ")[0] for name in known}
    met = {name for awaits in places.waits for name in awaits} - {SENDING}
    assert met >= MUST_WAIT
    others = ("Epoch", "Publisher._send: self._right.check") if broker.kind == "kafka" else ("Kafka", "_empty_trans")
    not_met = {name for name in known - met if not name.startswith(others)}
    assert sorted(name for name in not_met if not excused(name)) == []


def excused(name: str) -> bool:
    return name in NOT_MET or name.partition(": ")[0] in NOT_MET


async def try_each(make: MakeStage, fault: Fault, places: Sequence[tuple[Point, bool]]) -> None:
    """Have the fault at each place, on a partition of its own."""
    for some in batches(places):
        async with make(len(some)) as stage:
            trials = [Trial(stage, partition, point, left) for partition, (point, left) in enumerate(some)]
            await run_all(fault, trials)
            missed = [trial for trial in trials if trial.point.nth == 1 and not trial.reached.is_set()]
            assert [str(trial) for trial in missed] == []


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield some at a time: a broker need not have a thousand partitions."""
    for at in range(0, len(items), A_STAGE):
        yield items[at : at + A_STAGE]


def drawn(items: Sequence[T], count: int, seed: str) -> Sequence[T]:
    """Return some of them, or all where every one is wanted."""
    print(f"SEGUE_CHAOS_SEED={seed}")  # noqa: T201 - pytest shows it
    return items if EVERY else Random(seed).sample(items, min(count, len(items)))


@pytest.mark.parametrize("fault", [die, be_cancelled, lose_a_reply], ids=lambda fault: fault.__name__)
@(pytest.mark.chaos if EVERY else pytest.mark.embedded)
async def test_at_each_place(make: MakeStage, places: Places, fault: Fault) -> None:
    await try_each(make, fault, places.all)


@pytest.mark.kafka  # the embedded broker lets pass what was on its way
async def test_a_worker_that_stood_still_at_each_place(make: MakeStage, places: Places) -> None:
    await try_each(make, stand_still, places.all)


@pytest.mark.kafka  # likewise
async def test_a_partition_that_comes_back_while_the_old_loop_still_runs(
    make: MakeStage, places: Places, seed: str
) -> None:
    await try_each(make, come_back, drawn(places.all, RETURNS, seed))


@pytest.mark.kafka  # the embedded broker takes for two what a producer sends again
async def test_the_reply_to_each_request_of_a_producer_is_lost(make: MakeStage, places: Places) -> None:
    """The fence's requests, the publication's, and those of rejected records."""
    points = points_of(places.waits, every=True, of=SENDING)
    assert len(points) > PUBLICATIONS
    async with make(len(points)) as stage:
        await run_all(lose_a_reply, [Trial(stage, partition, point) for partition, point in enumerate(points)])


async def test_two_take_overs_that_cross(make: MakeStage, places: Places, seed: str, broker: Broker) -> None:
    """Any place of the first, any place of the second: on Kafka with something to publish in the take-over."""
    left = broker.kind == "kafka"
    points = places.take_overs(left=left)
    for some in batches(drawn(list(itertools.product(points, points)), CROSSINGS, seed)):
        async with make(len(some)) as stage:
            await run_all(
                cross, [Trial(stage, at, one, left=left, other=other) for at, (one, other) in enumerate(some)]
            )
