"""The two ways of reading a log: a file of events by their own time, and a topic by the broker's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.oracle.customer import Customer, Duplicate, Expected, Plan, truths
from tests.oracle.models import Released, Scorers
from tests.oracle.wire import Event, Reason, Record, Rejected, read_event

if TYPE_CHECKING:
    from tests.oracle.definitions import Tree

DAY_MS = 86_400_000

# The models' scorers, in force from the record at a place in the list on: (place, {model: scorer}), by place.
Snapshots = Sequence[tuple[int, Scorers]]


@dataclass
class Result:
    """What must come out: the changes (in order within each customer) and what became of the records.

    `released` are the samples (in order within each customer and model), `scores` what each model last said of each
    customer, and its version: (customer, model) → (said, version).
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
    released: list[Released] = field(default_factory=list)
    scores: dict[tuple[str, str], tuple[float | str, int]] = field(default_factory=dict)


class _Run:
    """A run over one log."""

    def __init__(self, definitions: Tree, max_late_ms: int, snapshots: Snapshots) -> None:
        self.plan = Plan(definitions, max_late_ms)
        self.customers: dict[str, Customer] = {}
        self.partitions: dict[str, int] = {}
        self.result = Result()
        self._snapshots = snapshots

    def apply(self, event: Event, ts: int, floor: int, place: int) -> bool:
        """Apply one event; return whether it was applied."""
        customer = self.customers.get(event.customer) or Customer(self.plan, event.customer)
        try:
            customer.apply(event, ts, floor, self._scorers(place))
        except Duplicate:
            self.result.duplicates += 1
            return False
        except Rejected as reason:
            self.result.rejected[str(reason)] += 1
            return False
        self.customers[event.customer] = customer
        self.result.applied += 1
        return True

    def fire(self, customer: Customer, last_ms: int) -> None:
        """Let happen all that is due up to `last_ms`, after the last record."""
        customer.fire(last_ms, self._scorers(None))

    def _scorers(self, place: int | None) -> Scorers:
        """Return the scorers in force at a record; None stands for the log's end."""
        force = [scorers for start, scorers in self._snapshots if place is None or start <= place]
        return force[-1] if force else {}

    def finish(self) -> Result:
        """Gather what all customers' changes are."""
        everyone = list(self.customers.values())
        self.result.changes = [change for customer in everyone for change in customer.changes]
        self.result.customers = len(everyone)
        self.result.truths = truths(everyone)
        for one in everyone:
            for key, model in one.models.items():
                self.result.released += model.released
                if key in one.facts.scores:
                    self.result.scores[one.facts.customer, key] = one.facts.scores[key]
        return self.result


def expected_replay(
    definitions: Tree,
    records: Sequence[Record],
    *,
    until_ms: int | None = None,
    max_late_ms: int = DAY_MS,
    snapshots: Snapshots = (),
) -> Result:
    """Return what `segue replay` must say of a file of events: the record's broker time is the event's own."""
    run = _Run(definitions, max_late_ms, snapshots)
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
        run.fire(customer, horizon)
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
    snapshots: Snapshots = (),
) -> Result:
    """Return what a worker must have said of a log whose records carry the broker's time."""
    run = _Run(definitions, max_late_ms, snapshots)
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
        run.fire(customer, last if until_ms is None else until_ms)
    return run.finish()
