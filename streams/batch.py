"""What one commit carries: the events of a chunk, or the timers of a sweep, applied to their profiles.

A batch takes no more once its changes weigh enough: the caller commits it, and goes on with another.

A chunk's records are applied customer by customer, each customer's own in their order: a profile is opened, its events
are decoded and applied, and it is encoded again while all of that is at hand in the processor's caches. A commit ends
at an offset, though: where the batch gets full before everybody had their turn, it is undone and done record by record.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Final

from rules.errors import EventRejected, StateError
from rules.features import NEVER
from state.view import encode_view
from streams.changes import full_name, make_entry
from streams.clocks import NEVER_MS
from streams.events import MAX_ID_BYTES, decode_event, decode_record, is_tick, wrong_key
from streams.pace import Pace
from streams.poison import INTERNAL
from streams.rejected import Rejection
from streams.weights import weigh_changes, weigh_samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from state.change import Change
    from state.engine import Engine
    from state.models.sample import Sample
    from state.profile import Profile
    from streams.entry import Entry
    from streams.opened import Opened
    from streams.poison import PoisonLimit
    from streams.profiles import Profiles
    from streams.record import Record

    Customers = Mapping[bytes | None, str | None]

log = logging.getLogger(__name__)

_DEBUG = " (SEGUE_LOG_LEVEL=debug names them)"

SIGN = {"entered": 1, "exited": -1}

TURN_S: Final = 0.02
"""How long a batch may keep the event loop to itself: replies, heartbeats and other partitions wait for it."""

MOST_BYTES = 4 << 20
"""A batch whose changes weigh more is full: store, topic and memory take them in pieces, however many there are."""

STRETCH = 200
"""So many records of one customer are applied between two looks at the time."""

MOST_POISONED: Final = 10
"""With more records on which the engine raises, a chunk is no common one: it is applied record by record."""


class Batch:
    """Applies the records of one chunk, or timers, and remembers what became of whom.

    Profiles are copies of what the store has: what a batch does is in the batch, and nowhere else until it is saved.
    """

    def __init__(self, engine: Engine, profiles: Profiles, poison: PoisonLimit) -> None:
        """Begin with nothing."""
        self._engine = engine
        self._profiles = profiles
        self._poison = poison
        self.dropped: dict[str, None] = {}
        """Customers whose due entry goes without a change: their timers cannot be evaluated."""
        self._begin()

    def _begin(self) -> None:
        self.saved: dict[str, bytes] = {}
        """The profiles of those whom it touched, as it leaves them."""
        self.views: dict[str, tuple[int, bytes]] = {}
        """Revision and JSON of the views that show something else now."""
        self.rejections: list[Rejection] = []
        self.weight_bytes = 0
        """About what the changes and the samples come to on the wire, or more."""
        self.applied = 0
        self.duplicates = 0
        self.ticks = 0
        self.newest_event_ms = NEVER_MS
        self._poisoned: list[Record] = []
        self._made: list[tuple[int, Sequence[Change]]] = []
        self._samples: list[Sample] = []
        self._due_moved: dict[str, int | None] = {}
        self._due_kept: dict[str, int | None] = {}

    @property
    def full(self) -> bool:
        """Whether this is enough for one commit."""
        return self.weight_bytes > MOST_BYTES

    @property
    def changes(self) -> list[Change]:
        """The changes in the order of the records, or of the customers given, that made them."""
        return [change for _, changes in sorted(self._made, key=_place) for change in changes]

    @property
    def released(self) -> list[Sample]:
        """The samples that the touched customers released, in the order in which their labels became known."""
        return sorted(self._samples, key=_released_at)

    async def apply(self, chunk: Opened, first: int = 0, pace: Pace | None = None) -> int:
        """Apply records from index `first` on, as many as `pace` says, until the batch is full; return the next index.

        One that is no event is rejected. One on which the engine raises is rejected, too, and leaves no trace of its
        customer's. To be called once, on a new batch.
        """
        pace = pace or Pace()
        end = first + pace.share(len(chunk.records) - first, MOST_BYTES)
        groups: dict[bytes | None, list[int]] = {}
        for index in range(first, end):
            key = chunk.records[index].key
            group = groups.get(key)
            if group is None:
                groups[key] = [index]
            else:
                group.append(index)
        customers = {key: _customer(key) for key in groups}
        await self._profiles.load([customer for customer in customers.values() if customer is not None])
        if end - first == 1 or not await self._by_customer(chunk, first, groups, customers):
            self._begin()
            end = await self._by_record(chunk, first, end, customers)
        self.rejections.sort(key=_offset)
        pace.note(end - first, self.weight_bytes)
        return end

    async def _by_customer(
        self, chunk: Opened, first: int, groups: Mapping[bytes | None, list[int]], customers: Customers
    ) -> bool:
        """Apply the records, grouped by their keys; return False, midway, where they are too much for one commit."""
        turn = _Turn()
        for key, indexes in groups.items():
            customer = customers[key]
            if customer is None:
                self._turn_away(chunk, indexes)
                continue
            profile = self._profiles.open(customer)
            rev, due, touched = profile.rev, profile.due, False
            for at in range(0, len(indexes), STRETCH):
                if self.full:
                    return False
                if turn.over:
                    await turn.give_way()
                profile, some, through = self._apply(profile, chunk, first, indexes[at : at + STRETCH])
                touched |= some
                if not through or len(self._poisoned) > MOST_POISONED:
                    return False
            if touched:
                self._keep(profile, rev, due)
        self._count_poisoned()
        return True

    async def _by_record(self, chunk: Opened, first: int, end: int, customers: Customers) -> int:
        """Apply the records as they come, until the batch is full; return the index of the next one."""
        turn = _Turn()
        opened: dict[str, tuple[Profile, int, int]] = {}
        touched: dict[str, None] = {}
        for index in range(first, end):
            if self.full:
                end = index
                break
            if turn.over:
                await turn.give_way()
            customer = customers[chunk.records[index].key]
            if customer is None:
                self._turn_away(chunk, [index])
                continue
            if customer not in opened:
                profile = self._profiles.open(customer)
                opened[customer] = profile, profile.rev, profile.due
            profile, rev, due = opened[customer]
            profile, some, _ = self._apply(profile, chunk, first, [index])
            self._count_poisoned()
            opened[customer] = profile, rev, due
            if some:
                touched[customer] = None
        for customer in touched:
            self._keep(*opened[customer])
        return end

    def _apply(self, profile: Profile, chunk: Opened, first: int, indexes: Sequence[int]) -> tuple[Profile, bool, bool]:
        """Apply some records of one customer; return their profile, whether it was touched, and whether all are.

        Not all are where the batch got full before the last one.
        """
        records, values, times, _, clock = chunk
        apply, customer = self._engine.apply, profile.customer
        newest_ms, applied = self.newest_event_ms, 0
        through = True
        for index in indexes:
            try:
                event = decode_event(values[index] or b"", times[index], clock)
                if event.customer != customer:
                    raise wrong_key(records[index].key, event.customer)
                done = apply(profile, event)
            except EventRejected as error:
                self.rejections.append(Rejection(records[index], error.reason, error.detail))
                continue
            except Exception:
                record = records[index]
                log.exception("%s/%d: offset %d cannot be applied", record.topic, record.partition, record.offset)
                self._reject_poisoned(record)
                profile = self._restored(chunk, first, index, customer)
                continue
            if done.duplicate:
                self.duplicates += 1
                continue
            applied += 1
            newest_ms = max(newest_ms, event.ts)
            if done.changes or profile.released:
                self._add(index, done.changes, profile)
                if self.full and index != indexes[-1]:
                    through = False
                    break
        self.newest_event_ms = newest_ms
        self.applied += applied
        return profile, applied > 0, through

    def _restored(self, chunk: Opened, first: int, poisoned: int, customer: str) -> Profile:
        """Return a customer's profile as it stood just before the record of index `poisoned`.

        What came before index `first` is not this batch's: the store has it. The customer's events since then are
        applied again, and their changes are the ones that count: a model may have got another version in between.
        """
        records, values, times, _, clock = chunk
        key = records[poisoned].key
        while True:
            profile = self._profiles.open(customer)
            rejected = {rejection.record.offset for rejection in self.rejections}
            made: list[tuple[int, Sequence[Change]]] = []
            record = records[poisoned]
            try:
                for index in range(first, poisoned):
                    record = records[index]
                    if record.key == key and record.offset not in rejected:
                        event = decode_event(values[index] or b"", times[index], clock)
                        made.append((index, self._engine.apply(profile, event).changes))
            except Exception:
                log.exception("%s/%d: offset %d cannot be applied", record.topic, record.partition, record.offset)
                self._reject_poisoned(record)
                self.applied -= 1
                continue
            self._made = [(index, changes) for index, changes in self._made if changes[0].customer != customer] + [
                (index, changes) for index, changes in made if changes
            ]
            self._samples = [sample for sample in self._samples if sample.customer != customer] + profile.released
            profile.released = []
            return profile

    def _turn_away(self, chunk: Opened, indexes: Iterable[int]) -> None:
        """Reject what has no customer's id for a key, and pass over ticks."""
        for index in indexes:
            record = chunk.records[index]
            if is_tick(record):
                self.ticks += 1
                continue
            try:
                decode_record(record.key, record.value, chunk.times[index], chunk.clock)
            except EventRejected as error:
                self.rejections.append(Rejection(record, error.reason, error.detail))

    def _reject_poisoned(self, record: Record) -> None:
        detail = "an unexpected error; the worker's log has its trace"
        self.rejections.append(Rejection(record, INTERNAL, detail))
        self._poisoned.append(record)

    def _count_poisoned(self) -> None:
        """Count what will not be undone any more; raises `StateError` where there are too many."""
        poisoned, self._poisoned = self._poisoned, []
        for record in poisoned:
            self._poison.hit(f"{record.topic}/{record.partition}: offset {record.offset}")

    async def advance(self, customers: Iterable[str], before_ms: int) -> bool:
        """Fire what is due strictly before the instant for each of these customers; False where the batch got full."""
        customers = list(customers)
        await self._profiles.load(customers)
        turn = _Turn()
        for place, customer in enumerate(customers):
            if self.full:
                return False
            if turn.over:
                await turn.give_way()
            profile = self._profiles.open(customer)
            rev, due = profile.rev, profile.due
            try:
                changes = self._engine.advance(profile, before_ms)
                if profile.due < before_ms:
                    raise StateError(_stuck(profile.due, before_ms))
            except Exception:
                log.exception("a customer's timers cannot be evaluated; their next event tries again%s", _DEBUG)
                log.debug("it is customer %r", customer)
                self._poison.hit("a customer's timers")
                self.dropped[customer] = None
            else:
                self._add(place, changes, profile)
                self._keep(profile, rev, due)
        return True

    async def adopt(self, customers: Sequence[str], at_ms: int) -> int:
        """Bring those of these customers who stand under another ruleset under the engine's, until the batch is full.

        Return how many of them are dealt with.
        """
        await self._profiles.load(customers)
        turn = _Turn()
        for place, customer in enumerate(customers):
            if self.full:
                return place
            if turn.over:
                await turn.give_way()
            profile = self._profiles.open(customer)
            if profile.version == self._engine.version:
                continue
            rev, due = profile.rev, profile.due
            try:
                changes = self._engine.adopt(profile, at_ms)
            except Exception:
                log.exception("a customer cannot be evaluated under the new ruleset; an event tries again%s", _DEBUG)
                log.debug("it is customer %r", customer)
                self._poison.hit("a customer's changeover")
            else:
                self._add(place, changes, profile)
                self._keep(profile, rev, due)
        return len(customers)

    def _add(self, place: int, changes: Sequence[Change], profile: Profile) -> None:
        """Take what one evaluation made; `place` orders it among the others'."""
        if changes:
            self._made.append((place, changes))
            self.weight_bytes += weigh_changes(changes)
        if profile.released:
            self.weight_bytes += weigh_samples(profile.released)
            self._samples += profile.released
            profile.released = []

    def _keep(self, profile: Profile, rev: int, due: int) -> None:
        """Take a profile as it is to be saved; `rev` and `due` are what it had before the batch."""
        customer = profile.customer
        self.saved[customer] = self._engine.encode(profile)
        if profile.rev != rev:
            self.views[customer] = encode_view(self._engine.show(profile))
        moves = self._due_kept if profile.due == due else self._due_moved
        moves[customer] = None if profile.due == NEVER else profile.due

    def due(self, forced: set[str], *, all_of_them: bool) -> dict[str, int | None]:
        """Return the moves of the due index: of those whose due instant changed, or of all touched."""
        kept = self._due_kept
        if not all_of_them:
            kept = {customer: kept[customer] for customer in forced if customer in kept}
        return self._due_moved | kept | dict.fromkeys(self.dropped)

    def crossings(self) -> Counter[tuple[str, str]]:
        """Return how many changes there are by (segment name, entered or exited)."""
        found: Counter[tuple[str, str]] = Counter()
        made = [(one.segmentation, one.segment, one.change) for _, changes in self._made for one in changes]
        for (segmentation, segment, change), count in Counter(made).items():
            found[full_name(segmentation, segment), change] = count
        return found

    def entries(self, app_id: str, commit: int) -> list[Entry]:
        """Return the changes as outbox entries of this commit."""
        return [make_entry(app_id, change, commit) for change in self.changes]


def sizes_of(crossings: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Return what changes add to the segments' sizes; `crossings` are as `Batch.crossings` counts them."""
    sizes: Counter[str] = Counter()
    for (name, change), count in crossings.items():
        sizes[name] += SIGN[change] * count
    return {name: delta for name, delta in sizes.items() if delta}


def _customer(key: bytes | None) -> str | None:
    """Return the customer whose key this is, None where it is nobody's: no event has such an id."""
    if not key or len(key) > MAX_ID_BYTES:
        return None
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _place(made: tuple[int, Sequence[Change]]) -> int:
    return made[0]


def _offset(rejection: Rejection) -> int:
    return rejection.record.offset


def _released_at(sample: Sample) -> int:
    return sample.released_at


class _Turn:
    """A batch's turn in the event loop."""

    def __init__(self) -> None:
        self._ends_s = perf_counter() + TURN_S

    @property
    def over(self) -> bool:
        """Whether it is time to let others have theirs."""
        return perf_counter() > self._ends_s

    async def give_way(self) -> None:
        """Let others have their turn, and begin another."""
        await asyncio.sleep(0)
        self._ends_s = perf_counter() + TURN_S


def _stuck(due_ms: int, before_ms: int) -> str:
    return f"the customer is still due at {due_ms} after all before {before_ms} has fired"
