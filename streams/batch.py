"""What one commit carries: the events of a chunk, or the timers of a sweep, applied to their profiles.

A batch takes no more once its changes weigh enough: the caller commits it, and goes on with another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING

from rules.errors import EventRejected, StateError
from rules.features import NEVER
from streams.changes import make_entry, size_name
from streams.clocks import NEVER_MS
from streams.poison import INTERNAL
from streams.rejected import Rejection

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiokafka.structs import ConsumerRecord

    from state.change import Change
    from state.engine import Engine
    from state.event import Event
    from state.models.sample import Sample
    from state.profile import Profile
    from streams.changes import Entry
    from streams.poison import PoisonLimit
    from streams.profiles import Profiles

    Record = ConsumerRecord[bytes | None, bytes | None]

log = logging.getLogger(__name__)

_DEBUG = " (SEGUE_LOG_LEVEL=debug names them)"

SIGN = {"entered": 1, "exited": -1}

TURN_S = 0.02
"""How long a batch may keep the event loop to itself: replies, heartbeats and other partitions wait for it."""

MOST_BYTES = 4 << 20
"""A batch whose changes weigh more is full: store, topic and memory take them in pieces, however many there are."""

_CHANGE_BYTES = 500
_REASON_BYTES = 150
_SAMPLE_BYTES = 300
_FEATURE_BYTES = 30
_QUOTED = 3


class Batch:
    """Applies events and timers, and remembers whom they touched.

    `before` has each touched customer's (revision, due instant) as they stood before the batch.
    """

    def __init__(self, engine: Engine, profiles: Profiles, poison: PoisonLimit) -> None:
        """Begin with nothing."""
        self._engine = engine
        self._profiles = profiles
        self._poison = poison
        self.before: dict[str, tuple[int, int]] = {}
        self.changes: list[Change] = []
        self.rejections: list[Rejection] = []
        self.dropped: dict[str, None] = {}
        """Customers whose due entry goes without a change: their timers cannot be evaluated."""
        self.weight_bytes = 0
        """About what the changes and the samples come to on the wire, or more."""
        self.applied = 0
        self.duplicates = 0
        self.newest_event_ms = NEVER_MS

    @property
    def full(self) -> bool:
        """Whether this is enough for one commit."""
        return self.weight_bytes > MOST_BYTES

    async def apply(self, events: Sequence[tuple[Record, Event]], first: int = 0) -> int:
        """Apply the events from index `first` on, in order, until all are or the batch is full; return the next index.

        One on which the engine raises is rejected, and its customer restored.
        """
        await self._profiles.load({event.customer: None for _, event in events[first:]})
        start = first
        while start < len(events) and not self.full:
            start, poisoned = self._apply_from(events, start)
            if poisoned:
                await self._restore(events, first, start)
                start += 1
            elif start < len(events):
                await asyncio.sleep(0)
        return start

    def _apply_from(self, events: Sequence[tuple[Record, Event]], start: int) -> tuple[int, bool]:
        """Apply from index `start` for one turn; return where it ended, and whether the engine raised on that event."""
        ends_s = perf_counter() + TURN_S
        apply, known, before, newest_ms = self._engine.apply, self._profiles.known, self.before, self.newest_event_ms
        index = start
        try:
            for index in range(start, len(events)):
                event = events[index][1]
                profile = known[event.customer]
                was = profile.rev, profile.due
                try:
                    applied = apply(profile, event)
                except EventRejected as error:
                    self.rejections.append(Rejection(events[index][0], error.reason, error.detail))
                    continue
                if applied.changes:
                    self._add(applied.changes)
                if profile.released:
                    self.weight_bytes += _weigh_samples(profile.released)
                if applied.duplicate:
                    self.duplicates += 1
                    continue
                self.applied += 1
                if event.customer not in before:
                    before[event.customer] = was
                newest_ms = max(newest_ms, event.ts)
                if perf_counter() > ends_s or self.weight_bytes > MOST_BYTES:
                    return index + 1, False
        except Exception:
            record = events[index][0]
            log.exception("%s/%d: offset %d cannot be applied", record.topic, record.partition, record.offset)
            return index, True
        finally:
            self.newest_event_ms = newest_ms
        return len(events), False

    async def _restore(self, events: Sequence[tuple[Record, Event]], first: int, poisoned: int) -> None:
        """Reject one event, and put its customer back to where they stood just before it.

        What came before index `first` is not this batch's: the store has it. The customer's events of this batch are
        applied again, and their changes are the ones that count: a model may have got another version in between.
        """
        customer = events[poisoned][1].customer
        self._reject_poisoned(events[poisoned][0])
        while True:
            profile = await self._profiles.reload(customer)
            rejected = {id(rejection.record) for rejection in self.rejections}
            changes: list[Change] = []
            record = events[poisoned][0]
            try:
                for record, event in events[first:poisoned]:
                    if event.customer == customer and id(record) not in rejected:
                        changes += self._engine.apply(profile, event).changes
            except Exception:
                log.exception("%s/%d: offset %d cannot be applied", record.topic, record.partition, record.offset)
                self._reject_poisoned(record)
                self.applied -= 1
                continue
            if changes != [change for change in self.changes if change.customer == customer]:
                self.changes = [change for change in self.changes if change.customer != customer] + changes
            return

    def _reject_poisoned(self, record: Record) -> None:
        detail = "an unexpected error; the worker's log has its trace"
        self.rejections.append(Rejection(record, INTERNAL, detail))
        self._poison.hit(f"{record.topic}/{record.partition}: offset {record.offset}")

    async def advance(self, customers: Iterable[str], before_ms: int) -> bool:
        """Fire what is due strictly before the instant for each of these customers; False where the batch got full."""
        customers = list(customers)
        await self._profiles.load(customers)
        turn = _Turn()
        for customer in customers:
            if self.full:
                return False
            await turn.give_way()
            profile = self._profiles.known[customer]
            was = profile.rev, profile.due
            try:
                changes = self._engine.advance(profile, before_ms)
                if profile.due < before_ms:
                    raise StateError(_stuck(profile.due, before_ms))
            except Exception:
                log.exception("a customer's timers cannot be evaluated; their next event tries again%s", _DEBUG)
                log.debug("it is customer %r", customer)
                self._poison.hit("a customer's timers")
                await self._profiles.reload(customer)
                self.dropped[customer] = None
            else:
                self._add(changes)
                self.weight_bytes += _weigh_samples(profile.released)
                self.before[customer] = was
        return True

    async def adopt(self, customers: Sequence[str], at_ms: int) -> int:
        """Bring those of these customers who stand under another ruleset under the engine's, until the batch is full.

        Return how many of them are dealt with.
        """
        await self._profiles.load(customers)
        turn = _Turn()
        for number, customer in enumerate(customers):
            if self.full:
                return number
            await turn.give_way()
            profile = self._profiles.known[customer]
            if profile.version == self._engine.version:
                continue
            was = profile.rev, profile.due
            try:
                changes = self._engine.adopt(profile, at_ms)
            except Exception:
                log.exception("a customer cannot be evaluated under the new ruleset; an event tries again%s", _DEBUG)
                log.debug("it is customer %r", customer)
                self._poison.hit("a customer's changeover")
                await self._profiles.reload(customer)
            else:
                self._add(changes)
                self.weight_bytes += _weigh_samples(profile.released)
                self.before[customer] = was
        return len(customers)

    def _add(self, changes: Sequence[Change]) -> None:
        self.changes.extend(changes)
        self.weight_bytes += _weigh(changes)

    def profile(self, customer: str) -> Profile:
        """Return the customer's profile as the batch leaves it."""
        return self._profiles.known[customer]

    def saved(self) -> dict[str, bytes]:
        """Return the touched profiles as bytes."""
        encode, known = self._engine.encode, self._profiles.known
        return {customer: encode(known[customer]) for customer in self.before}

    def due(self, forced: set[str], *, all_of_them: bool) -> dict[str, int | None]:
        """Return the moves of the due index: of those whose due instant changed, or of all touched."""
        known = self._profiles.known
        moves: dict[str, int | None] = {
            customer: None if known[customer].due == NEVER else known[customer].due
            for customer, (_, due) in self.before.items()
            if all_of_them or known[customer].due != due or customer in forced
        }
        return moves | dict.fromkeys(self.dropped)

    def crossings(self) -> Counter[tuple[str, str]]:
        """Return how many changes there are by (segment name, entered or exited)."""
        return Counter((size_name(change), change.change) for change in self.changes)

    def sizes(self) -> dict[str, int]:
        """Return what the changes add to the segments' sizes."""
        sizes: Counter[str] = Counter()
        for (name, change), count in self.crossings().items():
            sizes[name] += SIGN[change] * count
        return {name: delta for name, delta in sizes.items() if delta}

    def views(self) -> list[str]:
        """Return the customers whose view shows something else now."""
        known = self._profiles.known
        return [customer for customer, (rev, _) in self.before.items() if known[customer].rev != rev]

    def entries(self, app_id: str, commit: int) -> list[Entry]:
        """Return the changes as outbox entries of this commit."""
        return [make_entry(app_id, change, commit) for change in self.changes]

    def released(self) -> list[Sample]:
        """Take the samples that the touched customers released, in the order in which their labels became known."""
        known, samples = self._profiles.known, []
        for customer in self.before:
            profile = known[customer]
            if profile.released:
                samples += profile.released
                profile.released = []
        samples.sort(key=_released_at)
        return samples


def _released_at(sample: Sample) -> int:
    return sample.released_at


def _weigh_samples(samples: Sequence[Sample]) -> int:
    return sum(_SAMPLE_BYTES + _FEATURE_BYTES * len(sample.x) for sample in samples)


def _weigh(changes: Sequence[Change]) -> int:
    """Return about how many bytes of JSON these are; the changes of one evaluation share their list of segments."""
    weight, segments, listed = 0, None, 0
    for change in changes:
        if change.segments is not segments:
            segments, cause = change.segments, change.cause
            listed = sum(map(len, segments)) + _QUOTED * len(segments)
            # both are the sender's, and may be as long as an event
            listed += len(cause.get("event") or "") + len(cause.get("message_id") or "")
        weight += _CHANGE_BYTES + _REASON_BYTES * len(change.because) + listed
    return weight


class _Turn:
    """A batch's turn in the event loop."""

    def __init__(self) -> None:
        self._ends_s = perf_counter() + TURN_S

    async def give_way(self) -> None:
        """Where the turn is over, let others have theirs and begin another."""
        if perf_counter() > self._ends_s:
            await asyncio.sleep(0)
            self._ends_s = perf_counter() + TURN_S


def _stuck(due_ms: int, before_ms: int) -> str:
    return f"the customer is still due at {due_ms} after all before {before_ms} has fired"
