"""Webhooks' queues, endpoints and topic in memory: the same contract as in Redis, held to it by a test on services."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiokafka.structs import ConsumerRecord

from rules.errors import Fenced
from state.webhooks.endpoints import UnknownEndpoint
from state.webhooks.queues import DEAD_KEPT, Added, Due, Following, Ownership, Standing, Waiting
from streams.reader import Bounds
from tests.unit.webhook_fakes import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from state.change import Change
    from state.webhooks.endpoints import Endpoint
    from state.webhooks.queues import Batch, Dead, Delivery, Lane, Settled
    from streams.reader import Record


@dataclass
class _Lane:
    places: dict[str, str] = field(default_factory=dict)
    queue: dict[int, Delivery] = field(default_factory=dict)
    due: dict[int, int] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    made: int = 0
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    last: str = ""

    def next_of(self, customer: str) -> int | None:
        return min((number for number, one in self.queue.items() if one.customer == customer), default=None)


class MemoryQueues:
    """`state.webhooks.queues.Queues` by its definition: no links between deliveries, only a look at all."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = defaultdict(int)
        self.pokes: dict[int, int] = defaultdict(int)
        self.lanes: dict[Lane, _Lane] = {}
        self.graves: dict[tuple[int, str], list[Dead]] = defaultdict(list)
        self.lossy = False
        """Replies are lost, and calls made again."""

    async def take_over(self, partition: int) -> Ownership:
        await asyncio.sleep(0)
        self.epochs[partition] += 1
        return Ownership(self.epochs[partition], [lane for lane in self.lanes if lane.partition == partition])

    async def standing(self, lanes: Sequence[Lane]) -> list[Standing]:
        await asyncio.sleep(0)
        return [self._standing(lane) for lane in lanes]

    async def enqueue(self, partition: int, epoch: int, now_ms: int, batches: Sequence[Batch]) -> list[Added]:
        await asyncio.sleep(0)
        self._check(partition, epoch)
        if self.lossy:
            for batch in batches:
                self._add(batch, now_ms)
        return [self._add(batch, now_ms) for batch in batches]

    async def settle(self, partition: int, epoch: int, now_ms: int, settled: Sequence[Settled]) -> list[Following]:
        await asyncio.sleep(0)
        self._check(partition, epoch)
        if self.lossy:
            for item in settled:
                self._settle(item, now_ms)
        return [self._settle(item, now_ms) for item in settled]

    async def due(self, lane: Lane, now_ms: int, limit: int, held: Sequence[int]) -> Due:
        await asyncio.sleep(0)
        found = self.lanes.get(lane, _Lane())
        ready = sorted((at, str(number), number) for number, at in found.due.items() if at <= now_ms)
        free = [number for _, _, number in ready if number not in held]
        later = min((at for at in found.due.values() if at > now_ms), default=None)
        items = [Waiting(number, found.tries.get(number, 0), found.queue[number]) for number in free[:limit]]
        return Due(items, now_ms if len(free) > limit else later, len(found.queue))

    async def forget(self, lane: Lane, *, dead: bool) -> None:
        await asyncio.sleep(0)
        self.lanes.pop(lane, None)
        if dead:
            self.graves.pop((lane.partition, lane.endpoint), None)

    async def poked(self, partition: int) -> int:
        await asyncio.sleep(0)
        return self.pokes[partition]

    async def run_id(self) -> str:
        return "run"

    def _check(self, partition: int, epoch: int) -> None:
        if epoch != self.epochs[partition]:
            message = f"epoch {epoch}"
            raise Fenced(message)

    def _standing(self, lane: Lane) -> Standing:
        found = self.lanes.get(lane, _Lane())
        offset = found.places.get("offset")
        return Standing(
            offset=None if offset is None else int(offset),
            fill=found.places.get("fill"),
            waiting=len(found.queue),
            done=found.counts["done"],
            again=found.counts["again"],
            spent=found.counts["spent"],
            dead=len(self.graves[lane.partition, lane.endpoint]),
            next_due_ms=min(found.due.values(), default=None),
            last=found.last,
        )

    def _add(self, batch: Batch, now_ms: int) -> Added:
        found = self.lanes.get(batch.lane, _Lane())
        if found.places.get(batch.field, batch.before) != batch.before:
            return Added(0, None, moved=True)
        if batch.deliveries and len(found.queue) + len(batch.deliveries) > batch.most:
            return Added(len(found.queue), None)
        self.lanes[batch.lane] = found
        found.places[batch.field] = batch.after
        numbers = []
        for delivery in batch.deliveries:
            found.made += 1
            first = found.next_of(delivery.customer) is None
            found.queue[found.made] = delivery
            if first:
                found.due[found.made] = now_ms
            numbers.append(found.made if first else -found.made)
        return Added(len(found.queue), numbers)

    def _settle(self, item: Settled, now_ms: int) -> Following:
        found = self.lanes.get(item.lane, _Lane())
        if item.number not in found.queue:
            return Following(None, sure=False)
        found.last = item.last
        found.counts[item.kind] += 1
        if item.kind == "again":
            found.tries[item.number], found.due[item.number] = item.tries, item.due_ms
            return Following(None)
        for part in (found.queue, found.due, found.tries):
            part.pop(item.number, None)
        if item.dead is not None:
            grave = self.graves[item.lane.partition, item.lane.endpoint]
            grave.append(item.dead)
            del grave[:-DEAD_KEPT]
        following = found.next_of(item.customer)
        if following is None:
            return Following(None)
        found.due[following] = now_ms
        return Following(Waiting(following, 0, found.queue[following]))


class MemoryEndpoints:
    """Stands for `state.webhooks.endpoints.Endpoints`."""

    def __init__(self, *endpoints: Endpoint) -> None:
        self.rows = {endpoint.id: endpoint for endpoint in endpoints}

    async def all(self) -> list[Endpoint]:
        await asyncio.sleep(0)
        return list(self.rows.values())

    async def change(self, identity: str, edit: Callable[[Endpoint], Endpoint]) -> Endpoint:
        await asyncio.sleep(0)
        if identity not in self.rows:
            raise UnknownEndpoint(identity)
        self.rows[identity] = edit(self.rows[identity])
        return self.rows[identity]


class MemoryTopic:
    """One partition's log, with holes where control records would stand."""

    def __init__(self, app_id: str, *, at_once: int = 7) -> None:
        self.app_id = app_id
        self.at_once = at_once
        self.end = 0
        self.records: list[Record] = []
        self._grown = asyncio.Event()

    def write(self, change: Change, *, hole: bool = False) -> None:
        key, value, headers = record_of(self.app_id, change)
        self.end += int(hole)
        record: Any = ConsumerRecord("changes", 0, self.end, 0, 0, key, value, None, 0, 0, tuple(headers))
        self.records.append(record)
        self.end += 1
        self._grown.set()
        self._grown = asyncio.Event()

    def reader(self, partition: int) -> MemoryReader:
        assert partition == 0
        return MemoryReader(self)

    async def more(self) -> None:
        await self._grown.wait()


class MemoryReader:
    """Stands for `streams.reader.TopicReader`."""

    def __init__(self, topic: MemoryTopic) -> None:
        self._topic = topic
        self._position = 0

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)

    async def bounds(self) -> dict[int, Bounds]:
        await asyncio.sleep(0)
        return {0: Bounds(0, self._topic.end)}

    def seek(self, partition: int, offset: int) -> None:
        assert partition == 0
        self._position = offset

    async def some(self) -> Sequence[Record]:
        found = [record for record in self._topic.records if record.offset >= self._position][: self._topic.at_once]
        if not found:
            try:
                async with asyncio.timeout(0.05):
                    await self._topic.more()
            except TimeoutError:
                pass
            return []
        await asyncio.sleep(0)
        self._position = found[-1].offset + 1
        return found
