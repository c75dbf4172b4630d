"""Whatever endpoints answer, however long it takes them, and whoever owns the partition: in order, none forgotten."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from rules.errors import Fenced
from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.directory import Directory
from streams.http.webhooks.feed import Source
from streams.http.webhooks.measures import WebhookMeasures
from streams.http.webhooks.partition import PartitionWork, Tools
from streams.http.webhooks.post import Post
from tests.patience import PATIENCE_S
from tests.unit.webhook_fakes import Attempt, DrivenClock, change_of, endpoint_of
from tests.unit.webhook_memory import MemoryEndpoints, MemoryQueues, MemoryTopic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.webhooks.endpoints import Endpoint
    from state.webhooks.queues import Dead

CUSTOMERS = "abcd"
ENDPOINTS = ("ep_1", "ep_2")
FAULTS: tuple[Outcome, ...] = (
    Outcome(status=500),
    Outcome(status=400),
    Outcome(status=429, retry_after_s=900),
    Outcome(failure="timeout"),
)


class Scene:
    """One partition, its endpoints, and the processes that own it one after the other."""

    def __init__(self, answers: Sequence[tuple[int, int]], most: int) -> None:
        self.clock = DrivenClock()
        self.queues = MemoryQueues()
        self.topic = MemoryTopic("segue")
        self.endpoints = MemoryEndpoints(*(endpoint_of(identity, max_waiting=most) for identity in ENDPOINTS))
        self.measures = WebhookMeasures(CollectorRegistry())
        self.answers = list(answers)
        self.good: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.dead: set[tuple[str, str, int]] = set()
        self.written: dict[str, int] = defaultdict(int)
        self.running: list[asyncio.Task[None]] = []
        self.directories: list[Directory] = []
        self.works: list[PartitionWork] = []
        self.repeats = False

    async def send(self, endpoint: Endpoint, delivery_id: str, body: bytes, *, at_s: int) -> Outcome:
        attempt = Attempt(endpoint.id, delivery_id, body, at_s)
        fault, turns = self.answers.pop(0) if self.answers else (-1, 0)
        for _ in range(turns):
            await asyncio.sleep(0)
        if fault >= 0:
            return FAULTS[fault]
        self.good[endpoint.id, attempt.customer].append(attempt.seq)
        await asyncio.sleep(0)  # it was taken, and its sender may die before it knows
        return Outcome(status=200)

    async def give_up(self, endpoint: str, dead: Dead) -> None:
        await asyncio.sleep(0)
        attempt = Attempt(endpoint, dead.delivery.id, dead.delivery.body, 0)
        self.dead.add((endpoint, attempt.customer, attempt.seq))

    async def own(self) -> None:
        """Have another process take the partition over."""
        directory = Directory(self.endpoints, self._post)  # type: ignore[arg-type]  # in place of the store
        source = Source("segue", 1, self.topic.reader, self._no_profiles, self._no_customers)
        tools = Tools(source, self.queues, directory, self.give_up, self.clock, self.measures)
        ownership = await self.queues.take_over(0)
        await directory.refresh()
        self.directories.append(directory)
        self.works.append(PartitionWork(0, ownership.epoch, ownership.lanes, tools))
        self.running.append(asyncio.create_task(self.works[-1].run()))

    async def release(self) -> None:
        """Have the last owner end, as when it stops well."""
        await ended(self.running.pop())
        await self.directories.pop().save()

    async def settle(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def toggle(self, identity: str, *, enabled: bool) -> None:
        self.endpoints.rows[identity] = replace(self.endpoints.rows[identity], enabled=enabled)
        await self.directories[-1].refresh()

    def write(self, customer: str, hole: bool) -> None:
        self.written[customer] += 1
        self.topic.write(change_of(customer, self.written[customer]), hole=hole)

    @property
    def complete(self) -> bool:
        return all(
            set(self.good[identity, customer]) | self._dead(identity, customer) >= set(range(1, count + 1))
            for identity in ENDPOINTS
            for customer, count in self.written.items()
        )

    @property
    def drained(self) -> bool:
        return not any(lane.queue for lane in self.queues.lanes.values())

    def check(self) -> None:
        """See that what was taken came in order, and more than once only where a process was overtaken."""
        for (identity, customer), seqs in self.good.items():
            firsts = list(dict.fromkeys(seqs))
            assert firsts == sorted(firsts), (identity, customer, seqs)
            if not self.repeats:
                assert firsts == seqs, (identity, customer, seqs)
                assert not set(seqs) & self._dead(identity, customer)

    def _dead(self, identity: str, customer: str) -> set[int]:
        return {seq for endpoint, who, seq in self.dead if (endpoint, who) == (identity, customer)}

    def _post(self, endpoint: Endpoint) -> Post:
        return Post(endpoint, self, self.clock, self.measures, lambda: 1.0)

    async def _no_profiles(self, partition: int, customers: Sequence[str]) -> Sequence[bytes | None]:
        return [None for _ in customers]

    async def _no_customers(self, partition: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        return 0, []


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Fenced):
        await task


STEPS = st.one_of(
    st.tuples(
        st.just("write"), st.lists(st.tuples(st.sampled_from(CUSTOMERS), st.booleans()), min_size=1, max_size=12)
    ),
    st.tuples(st.just("settle"), st.integers(1, 60)),
    st.tuples(st.just("clock"), st.sampled_from([1, 4_000, 6_000, 400_000, 3_000_000])),
    st.tuples(st.just("hand over"), st.none()),
    st.tuples(st.just("overtake"), st.none()),
    st.tuples(st.just("lossy"), st.booleans()),
    st.tuples(st.just("disable"), st.sampled_from(ENDPOINTS)),
    st.tuples(st.just("enable"), st.sampled_from(ENDPOINTS)),
)


async def step(scene: Scene, kind: str, value: Any) -> None:
    match kind:
        case "write":
            for customer, hole in value:
                scene.write(customer, hole)
        case "settle":
            await scene.settle(value)
        case "clock":
            scene.clock.go(scene.clock.now_ms() + value)
        case "hand over":
            await scene.release()
            await scene.own()
        case "overtake":
            scene.repeats = True
            await scene.own()
        case "lossy":
            scene.queues.lossy = value
        case _:
            await scene.toggle(value, enabled=kind == "enable")


async def play(scene: Scene, steps: Sequence[tuple[str, Any]]) -> None:
    await scene.own()
    try:
        for kind, value in steps:
            await step(scene, kind, value)
        scene.answers.clear()
        for identity in ENDPOINTS:
            await scene.toggle(identity, enabled=True)
        await scene.clock.drive(lambda: scene.complete and scene.drained, quiet_s=0.002)
        scene.check()
    finally:
        for task in scene.running:
            await ended(task)


@settings(max_examples=150, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=25),
    answers=st.lists(st.tuples(st.integers(-1, len(FAULTS) - 1), st.integers(0, 40)), max_size=60),
    most=st.sampled_from([1, 2, 5, 1_000]),
)
def test_in_order_and_nothing_forgotten(
    steps: Sequence[tuple[str, Any]], answers: Sequence[tuple[int, int]], most: int
) -> None:
    async def run() -> None:
        await play(Scene(answers, most), steps)

    asyncio.run(run())


async def test_what_waits_and_how_far_behind_is_shown_of_every_endpoint() -> None:
    scene = Scene([(0, 0)] * 100, 4)
    scene.endpoints.rows["ep_1"] = endpoint_of("ep_1", enabled=False)
    await scene.own()
    for _ in range(3):
        for customer in CUSTOMERS:
            scene.write(customer, hole=False)
    async with asyncio.timeout(PATIENCE_S):
        while scene.works[-1].show() != {"ep_1": (0, 0), "ep_2": (4, 0)}:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    scene.endpoints.rows["ep_3"] = endpoint_of("ep_3", starts={0: 6})
    await scene.directories[-1].refresh()
    async with asyncio.timeout(PATIENCE_S):
        while scene.works[-1].show().get("ep_3") != (6, 0):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
    assert scene.works[-1].show() == {"ep_1": (0, 0), "ep_2": (4, 8), "ep_3": (6, 0)}
    await ended(scene.running[-1])
