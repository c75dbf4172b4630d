"""Whether what was measured was right: a wrong program may be as fast as it likes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.load import PARTITIONS
from rules.dates import format_ms
from rules.load import load_ruleset
from state.engine import Engine
from streams.changes import size_name
from streams.clocks import live_clock
from streams.replay.memory import MemoryLog
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.cases import Case
    from benchmarks.load import LoadEvent
    from state.change import Change

Counts = Counter[tuple[str, str]]
"""(segment, entered or exited) -> how often."""
Crossings = dict[str, list[tuple[str, str]]]
"""Customer -> their (segment, entered or exited), in order."""

_QUIET_S = 10.0


class WrongResult(Exception):
    """A program's changes are not those that follow from the events."""


class Reference:
    """What a segue worker should say of a load, computed in memory, customer by customer.

    `certain` changes come of the events; `possible` has those, too, that fall due between a customer's last event and
    the log's end: the worker may be stopped before its sweeper gets to them.
    """

    def __init__(self, case: Case, load: Sequence[LoadEvent]) -> None:
        """Replay the load."""
        log = MemoryLog(Engine(load_ruleset(case.rules)), live_clock(Settings()))
        self.certain: dict[str, int] = Counter()
        self.possible: dict[str, list[list[Any]]] = defaultdict(list)
        for event in load:
            for change in log.feed(event.partition, event.ts_ms, event.key, event.value, tick=False):
                self.possible[change.customer].append(_row(change))
        self.certain = {customer: len(rows) for customer, rows in self.possible.items()}
        self.counts: Counts = Counter(log.counters.changes)
        self.segments = {
            customer: frozenset(log.engine.segments(profile))
            for profiles in log.profiles.values()
            for customer, profile in profiles.items()
        }
        for change in log.finish():
            self.possible[change.customer].append(_row(change))

    def check(self, got: Mapping[str, list[list[Any]]]) -> None:
        """Compare a worker's changes, customer by customer, in order; raises `WrongResult`."""
        for customer in self.possible.keys() | got.keys():
            wanted, found = self.possible.get(customer, []), got.get(customer, [])
            if found != wanted[: len(found)] or len(found) < self.certain.get(customer, 0):
                message = f"segue: the changes of {customer} differ: got {found}, wanted {wanted}"
                raise WrongResult(message)


def _row(change: Change) -> list[Any]:
    return [change.seq, change.change, size_name(change), format_ms(change.at)]


async def segue_changes(broker: str, topic: str, reference: Reference) -> dict[str, list[list[Any]]]:
    """Read what a worker published: customer -> its changes as `Reference` has them."""
    found: dict[str, list[list[Any]]] = defaultdict(list)
    for value in await _read(broker, topic, at_least=sum(reference.certain.values())):
        segmentation = value["segmentation"]
        name = value["segment"] if segmentation is None else f"{segmentation}.{value['segment']}"
        found[value["customer_id"]].append([value["seq"], value["change"], name, value["at"]])
    return found


def plain_crossings(case: Case, load: Sequence[LoadEvent]) -> Crossings:
    """Run the plain agent's function over a load."""
    customers: dict[str, Any] = {}
    found: Crossings = defaultdict(list)
    for event in load:
        body = orjson.loads(event.value)
        customer = body["userId"]
        customers[customer], crossed = case.step(customers.get(customer), body)
        found[customer] += [(name, "entered" if entered else "exited") for name, entered in crossed]
    return found


def check_same_work(case: Case, load: Sequence[LoadEvent], reference: Reference) -> None:
    """See that both programs say the same of a load, as far as one without timers can; raises `WrongResult`."""
    crossings = plain_crossings(case, load)
    counts = _counts(crossings)
    if not case.timers and counts != reference.counts:
        message = f"{case.name}: the plain agent counts {counts}, segue {reference.counts}"
        raise WrongResult(message)
    for customer, wanted in reference.segments.items():
        inside = Counter(name for name, change in crossings[customer] if change == "entered")
        inside.subtract(name for name, change in crossings[customer] if change == "exited")
        differing = (wanted ^ {name for name, count in inside.items() if count}) - case.noticed_late
        if differing:
            message = f"{case.name}: after all events the two differ on whether {customer} is in {sorted(differing)}"
            raise WrongResult(message)


async def check_peer(name: str, broker: str, topic: str, wanted: Crossings) -> None:
    """See that a peer's changes are on the topic, each customer's in order; raises `WrongResult`."""
    values = await _read(broker, topic, at_least=sum(map(len, wanted.values())), committed=True)
    found: Crossings = defaultdict(list)
    for value in values:
        found[value["customer_id"]].append((value["segment"], value["change"]))
    for customer in wanted.keys() | found.keys():
        if found.get(customer, []) != wanted.get(customer, []):
            lost, many = _counts(wanted) - _counts(found), _counts(found) - _counts(wanted)
            message = f"{name}: changes lost {lost}, too many {many}; one that differs is {customer}"
            raise WrongResult(message)


def _counts(crossings: Crossings) -> Counts:
    return Counter(crossing for of_one in crossings.values() for crossing in of_one)


async def _read(broker: str, topic: str, *, at_least: int, committed: bool = False) -> list[dict[str, Any]]:
    """Read the topic from its beginning: so many records, and what else there is; in order within a partition.

    `committed` leaves out what a transaction wrote that was not committed; of segue's changes, each counts.
    """
    isolation = "read_committed" if committed else "read_uncommitted"
    consumer = AIOKafkaConsumer(bootstrap_servers=broker, max_partition_fetch_bytes=4 << 20, isolation_level=isolation)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition in partitions:
            consumer.seek(partition, 0)
        values: list[dict[str, Any]] = []
        while True:
            enough = len(values) >= at_least
            # once there is enough, a second of silence is the end
            polled = await consumer.getmany(timeout_ms=1000 if enough else int(1000 * _QUIET_S))
            if not polled:
                return values
            values += [orjson.loads(record.value or b"") for records in polled.values() for record in records]
    finally:
        await consumer.stop()
