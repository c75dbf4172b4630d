"""The two ways of reading a log: a file of events by their own time, and a topic by the broker's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.oracle.customer import Customer, Duplicate, Expected, Plan, truths
from tests.oracle.wire import Event, Reason, Record, Rejected, read_event

if TYPE_CHECKING:
    from tests.oracle.definitions import Tree

DAY_MS = 86_400_000

# Scores given before the record at a place in the list: customer → (place, {model: score or label}), by place.
Scores = Mapping[str, Sequence[tuple[int, Mapping[str, Any]]]]


@dataclass
class Result:
    """What must come out: the changes (in order within each customer) and what became of the records.

    `truths` counts, for each kind of condition, how often it was found true and false.
    """

    changes: list[Expected] = field(default_factory=list)
    events: int = 0
    applied: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    after_until: int = 0
    customers: int = 0
    truths: Counter[tuple[str, bool]] = field(default_factory=Counter)


class _Run:
    """A run over one log."""

    def __init__(self, definitions: Tree, max_late_ms: int, scores: Scores) -> None:
        self.plan = Plan(definitions, max_late_ms)
        self.customers: dict[str, Customer] = {}
        self.partitions: dict[str, int] = {}
        self.result = Result()
        self._scores = scores

    def apply(self, event: Event, ts: int, floor: int, place: int) -> bool:
        """Apply one event; return whether it was applied."""
        customer = self.customers.get(event.customer) or Customer(self.plan, event.customer)
        given = self._scores.get(event.customer, [])
        due = [scores for at, scores in given if at <= place]
        try:
            customer.apply(event, ts, floor, {model: value for scores in due for model, value in scores.items()})
        except Duplicate:
            self.result.duplicates += 1
            return False
        except Rejected as reason:
            self.result.rejected[str(reason)] += 1
            return False
        self.customers[event.customer] = customer
        self.result.applied += 1
        return True

    def finish(self) -> Result:
        """Gather what all customers' changes are."""
        everyone = list(self.customers.values())
        self.result.changes = [change for customer in everyone for change in customer.changes]
        self.result.customers = len(everyone)
        self.result.truths = truths(everyone)
        return self.result


def expected_replay(
    definitions: Tree,
    records: Sequence[Record],
    *,
    until_ms: int | None = None,
    max_late_ms: int = DAY_MS,
    scores: Scores | None = None,
) -> Result:
    """Return what `segue replay` must say of a file of events: the record's broker time is the event's own."""
    run = _Run(definitions, max_late_ms, scores or {})
    newest: int | None = None
    for place, record in enumerate(records):
        run.result.events += 1
        try:
            event = read_event(record.value)
            if event.ts is None:
                raise Rejected(Reason.NO_TIMESTAMP)
        except Rejected as reason:
            run.result.rejected[str(reason)] += 1
            continue
        if until_ms is not None and event.ts > until_ms:
            run.result.after_until += 1
        elif run.apply(event, event.ts, event.ts, place):
            newest = event.ts if newest is None else max(newest, event.ts)
    horizon = newest if until_ms is None else until_ms
    for customer in run.customers.values():
        assert horizon is not None
        customer.fire(horizon)
    return run.finish()


def expected_live(  # noqa: PLR0913 - one keyword a setting of a worker
    definitions: Tree,
    records: Sequence[Record],
    *,
    until_ms: int | None = None,
    grace_ms: int = 1000,
    clock_skew_ms: int = 100,
    max_future_ms: int = 60_000,
    max_late_ms: int = DAY_MS,
    scores: Scores | None = None,
) -> Result:
    """Return what a worker must have said of a log whose records carry the broker's time."""
    run = _Run(definitions, max_late_ms, scores or {})
    newest: dict[int, int] = {}
    for place, record in enumerate(records):
        newest[record.partition] = max(record.broker_ms, newest.get(record.partition, record.broker_ms))
        if record.is_tick:
            continue
        run.result.events += 1
        try:
            event = read_event(record.value)
            if record.key != event.customer.encode():
                raise Rejected(Reason.WRONG_KEY)
        except Rejected as reason:
            run.result.rejected[str(reason)] += 1
            continue
        ts = record.broker_ms if event.ts is None or event.ts > record.broker_ms + max_future_ms else event.ts
        run.apply(event, ts, record.broker_ms - grace_ms, place)
        run.partitions[event.customer] = record.partition
    for name, customer in run.customers.items():
        last = newest[run.partitions[name]] - grace_ms - clock_skew_ms - 1
        customer.fire(last if until_ms is None else until_ms)
    return run.finish()
