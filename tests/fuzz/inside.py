"""A world through decoding, engine and store in this process, as a tenure takes it; then held to the oracle."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import orjson
import yaml
from aiokafka.structs import ConsumerRecord

from rules.load import load_text
from state.engine import Engine
from state.memory import MemoryStore
from state.store import Commit
from streams.batch import Batch, sizes_of
from streams.changes import headers_of, pack_entry, unpack_entry, value_of
from streams.chunk import Chunk
from streams.clocks import LiveClock
from streams.decode import open_chunk
from streams.pace import Pace
from streams.poison import PoisonLimit
from streams.producers import MAX_BATCH_BYTES
from streams.profiles import Profiles
from streams.rejected import RejectedTopic
from streams.replay.memory import MemoryLog
from tests.fuzz.judge import APPLIED, DAY_MS, DUPLICATE, GRACE_MS, MAX_FUTURE_MS, TICK, Judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiokafka import AIOKafkaProducer

    from rules.ruleset import Ruleset
    from state.change import Change
    from tests.fuzz.worlds import Sent
    from tests.oracle import Expected

    Follows = Callable[[str], bool]

RULES_FILE = Path(__file__).parent / "rules.yaml"
TREE: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text())
RULES = load_text(RULES_FILE.read_text(), str(RULES_FILE))
VIEW_TRAITS = ("plan", "tags", "createdAt", "t0", "company")
CLOCK = LiveClock(grace_ms=GRACE_MS, clock_skew_ms=100, max_future_ms=MAX_FUTURE_MS)
CHUNK = 250
CACHED = 30
"""Customers kept between chunks: the others come from their bytes again."""
LONGEST_DETAIL = 500
TOPIC = "customer-events"


def new_engine(rules: Ruleset = RULES) -> Engine:
    """Return an engine as a worker has it."""
    return Engine(rules, max_late_ms=DAY_MS, view_traits=VIEW_TRAITS)


def broker_ms(sent: Sent, now_ms: int) -> int:
    """Return the time that a record counts as having come at."""
    return now_ms if sent.create_time and not 0 <= sent.at_ms <= now_ms else sent.at_ms


@dataclass
class Found:
    """What came of a world. `rejected` has the reason of each record that was, by place; `faults` is a line each."""

    rejected: dict[int, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    applied: int = 0
    duplicates: int = 0
    faults: list[str] = field(default_factory=list)


class _Sink:
    """The rejected topic's producer."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []

    async def send_and_wait(
        self, topic: str, value: bytes | None, *, key: bytes | None, partition: int, headers: list[tuple[str, bytes]]
    ) -> None:
        assert (topic, partition, len(headers)) == ("rejected", 0, 5)
        self.sent.append((key, value, dict(headers)))


class Inside:
    """One partition in memory."""

    def __init__(self, world: Sequence[Sent], rules: Ruleset = RULES) -> None:
        self.engine = new_engine(rules)
        self.store = MemoryStore()
        self.profiles = Profiles(self.store, self.engine, 0, CACHED)
        self.sink = _Sink()
        self.rejected = RejectedTopic(cast("AIOKafkaProducer", self.sink), "rejected", 10.0)
        self.poison = PoisonLimit(10)
        self.pace = Pace()
        self.found = Found()
        self.world = world
        # a producer's time is never taken as later than now
        self.now_ms = max((sent.at_ms for sent in world if not sent.create_time), default=0)
        self._epoch = 0

    async def run(self) -> Found:
        """Take all chunks, then fire everything that is due for ten years to come."""
        self._epoch = (await self.store.take_over(0)).epoch
        records = [_record(sent, offset) for offset, sent in enumerate(self.world)]
        for number, start in enumerate(range(0, len(records), CHUNK)):
            await self._take(Chunk(0, 1, number, records[start : start + CHUNK]))
        batch = self._batch()
        while due := await self.store.due(0, self.horizon_ms + 1, 100):
            await batch.advance([customer for customer, _ in due], self.horizon_ms + 1)
            await self._commit(batch, len(records))
            batch = self._batch()
        self._check_rejected()
        return self.found

    @property
    def horizon_ms(self) -> int:
        """The last instant at which a timer fires."""
        return self.now_ms + 3_650 * DAY_MS

    def _batch(self) -> Batch:
        return Batch(self.engine, self.profiles, self.poison)

    async def _take(self, chunk: Chunk) -> None:
        opened, done = open_chunk(chunk, CLOCK, self.now_ms), 0
        while done < len(chunk.records):
            batch = self._batch()
            done = await batch.apply(opened, done, self.pace)
            await self.rejected.send(batch.rejections)
            await self._commit(batch, chunk.records[done].offset if done < len(chunk.records) else chunk.next_offset)

    async def _commit(self, batch: Batch, end: int) -> None:
        head = await self.store.head(0)
        number = head.number + 1
        entries = batch.entries("segue", number)
        await self.store.commit(
            Commit(
                partition=0,
                epoch=self._epoch,
                number=number,
                token=str(number),
                ruleset=1,
                from_offset=head.offset,
                next_offset=end,
                profiles=batch.saved,
                due=batch.due(set(), all_of_them=True),
                sizes=sizes_of(batch.crossings()),
                outbox=[],
                views=list(batch.views),
            )
        )
        for entry in entries:
            assert unpack_entry(pack_entry(entry)) == entry
            value = value_of(entry, "2025-03-01T12:00:00.000Z")
            orjson.loads(value)
            if len(value) + sum(len(name) + len(text) for name, text in headers_of("segue", entry)) > MAX_BATCH_BYTES:
                self.found.faults.append(f"a change of {entry.customer!r} has {len(value)} bytes: no broker takes it")
        for rev, view in batch.views.values():
            assert orjson.loads(view)["rev"] == rev
        self.profiles.settle(batch.saved)
        self.found.changes += batch.changes
        self.found.applied += batch.applied
        self.found.duplicates += batch.duplicates
        if batch.dropped:
            self.found.faults.append(f"timers of {list(batch.dropped)} cannot be evaluated")

    def _check_rejected(self) -> None:
        """Hold what stands on the rejected topic to what was sent."""
        for key, value, headers in self.sink.sent:
            offset, reason = int(headers["offset"]), headers["error"].decode()
            sent = self.world[offset]
            whole = b"" if sent.key is None and sent.value is None else sent.value
            place = headers["topic"], headers["partition"]
            if (key, value) != (sent.key, whole) or place != (TOPIC.encode(), b"0"):
                self.found.faults.append(f"{offset}: rejected as something else than was sent")
            if not 0 < len(headers["detail"].decode()) <= LONGEST_DETAIL:
                self.found.faults.append(f"{offset}: the detail has {len(headers['detail'])} bytes")
            if offset in self.found.rejected:
                self.found.faults.append(f"{offset}: rejected twice")
            self.found.rejected[offset] = reason


def _record(sent: Sent, offset: int) -> ConsumerRecord[bytes | None, bytes | None]:
    kind = 0 if sent.create_time else 1
    sizes = len(sent.key or b""), len(sent.value or b"")
    return ConsumerRecord(TOPIC, 0, offset, sent.at_ms, kind, sent.key, sent.value, None, *sizes, tuple(sent.headers))


async def check(world: Sequence[Sent], followed: Follows, counts: Counter[str] | None = None) -> list[str]:
    """Put a world through and return what is wrong, a line each; `counts` counts what became of the records.

    `followed` says of which customers the oracle works out the changes.
    """
    inside = Inside(world)
    try:
        found = await inside.run()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
        return [f"the pipeline ends with {error!r}"[:2_000]]
    faults = list(found.faults)
    judge = Judge(TREE, followed)
    became: Counter[str] = Counter()
    good: list[int] = []
    for offset, sent in enumerate(world):
        reason = found.rejected.get(offset)
        verdicts = judge.verdicts(sent, broker_ms(sent, inside.now_ms), rejected=reason is not None)
        if reason is None:
            became.update(verdicts if len(verdicts) == 1 else ("?",))
            if not verdicts <= {APPLIED, DUPLICATE, TICK}:
                faults.append(f"{offset}: it was taken, and is {sorted(verdicts)}: {sent}")
            elif TICK not in verdicts:
                good.append(offset)
        elif reason not in verdicts:
            faults.append(f"{offset}: it was rejected as {reason}, and is {sorted(verdicts)}: {sent}")
        else:
            became[reason] += 1
    if (found.applied, found.duplicates) != (became[APPLIED], became[DUPLICATE]):
        faults.append(f"{found.applied} applied, {found.duplicates} duplicates; it should be {dict(became)}")
    if not faults:
        faults += _hold_changes(inside, good, judge)
    if counts is not None:
        counts.update(became)
    return faults


def _hold_changes(inside: Inside, good: Sequence[int], judge: Judge) -> Iterator[str]:
    """Hold the changes to those of the good records alone, and of those who are followed to the oracle's."""
    alone = MemoryLog(new_engine(), CLOCK)
    wanted: list[Change] = []
    for offset in good:
        sent = inside.world[offset]
        wanted += alone.feed(0, broker_ms(sent, inside.now_ms), sent.key, sent.value, tick=False)
    wanted += alone.finish(inside.horizon_ms)
    said = _by_customer(inside.found.changes)
    want = _by_customer(wanted)
    for customer in said.keys() | want.keys():
        if said.get(customer) != want.get(customer):
            yield f"{customer!r} was told {said.get(customer)}, of the good records alone {want.get(customer)}"
    for customer, changes in said.items():
        if [change[0] for change in changes] != list(range(1, len(changes) + 1)):
            yield f"{customer!r}: seq is {[change[0] for change in changes]}"
    for customer in judge.customers:
        if judge.follows(customer):
            told = tuple(map(_plain, judge.changes(customer, inside.horizon_ms)))
            if told != said.get(customer, ()):
                yield f"{customer!r} was told {said.get(customer)}, the oracle says {told}"


def _by_customer(changes: Sequence[Change]) -> dict[str, tuple[tuple[Any, ...], ...]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for change in changes:
        found.setdefault(change.customer, []).append(_plain(change))
    return {customer: tuple(some) for customer, some in found.items()}


def _plain(change: Change | Expected) -> tuple[Any, ...]:
    """Return what both the engine and the oracle say of a change."""
    cause = tuple(sorted((name, str(word)) for name, word in change.cause.items()))
    where = change.segmentation, change.segment, change.other
    return change.seq, change.change, *where, change.at, cause, tuple(change.segments)
