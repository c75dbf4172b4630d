"""The pipeline without services: the same decoding, clocks and engine over profiles in a dict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.errors import EventRejected
from rules.features import NEVER
from state.memory import DueIndex
from streams.changes import size_name
from streams.clocks import NEVER_MS
from streams.counters import Counters
from streams.events import decode_event, decode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from state.change import Change
    from state.engine import Engine
    from state.event import Event
    from state.profile import Profile
    from streams.clocks import LiveClock, StreamClock


_AT_ONCE = 1_000
"""Customers taken from the index at once."""


class MemoryReplay:
    """A file of events on the stream clock: an event's broker time is its own, and there is no grace."""

    def __init__(
        self,
        engine: Engine,
        clock: StreamClock,
        *,
        until_ms: int | None = None,
        early: bool = False,
        learn: Callable[[Profile], None] | None = None,
    ) -> None:
        """Begin with no customers; events later than `until_ms` are counted and not applied.

        With `early` it keeps an index of what is due, so that `advance` costs what it fires and no more. With `learn`,
        which is called with each profile after each step, everything due fires in its own time, over all customers:
        before an event all that no later one can come before, else what a model has learned by then would depend on
        who happens to send events.
        """
        self.engine = engine
        self.clock = clock
        self.until_ms = until_ms
        self._due = DueIndex() if early or learn is not None else None
        self._learn = learn
        self.counters = Counters()
        self.after_until = 0
        self.profiles: dict[str, Profile] = {}

    def feed(self, value: bytes) -> list[Change]:
        """Apply one line of the file and return its changes; what is rejected is counted."""
        self.counters.events += 1
        try:
            event = decode_event(value, 0, self.clock)
        except EventRejected as rejected:
            self.counters.rejected[rejected.reason] += 1
            return []
        if self.until_ms is not None and event.ts > self.until_ms:
            self.counters.events -= 1
            self.after_until += 1
            return []
        changes: list[Change] = []
        if self._learn is not None:
            newest_ms = max(self.counters.newest_event_ms, event.ts)
            changes += self.advance(self.clock.certain_ms(NEVER_MS, newest_ms))
        changes += apply_event(self.engine, self.profiles, event, self.counters)
        if self._due is not None and event.customer in self.profiles:
            profile = self.profiles[event.customer]
            self._due.move({event.customer: _due_ms(profile)})
            if self._learn is not None:
                self._learn(profile)
        return changes

    @property
    def horizon_ms(self) -> int:
        """The instant the replay ends at: `until_ms`, else the newest time of an applied event."""
        return self.counters.newest_event_ms if self.until_ms is None else self.until_ms

    def advance(self, before_ms: int) -> Iterator[Change]:
        """Fire what is due strictly before an instant, of all customers; yields their changes."""
        if self._due is None:
            for profile in self.profiles.values():
                yield from fire(self.engine, profile, before_ms, self.counters)
            return
        if self._learn is not None:
            yield from in_time(self.engine, {0: (self.profiles, self._due, before_ms)}, self.counters, self._learn)
            return
        while due := self._due.before(before_ms, _AT_ONCE):
            profiles = [self.profiles[customer] for customer, _ in due]
            for profile in profiles:
                yield from fire(self.engine, profile, before_ms, self.counters)
            self._due.move({profile.customer: _due_ms(profile) for profile in profiles})

    def finish(self) -> Iterator[Change]:
        """Fire what is due up to and including the horizon; yields the changes."""
        return self.advance(self.horizon_ms + 1)


class MemoryLog:
    """A log with the broker's times, by the live rules: what a worker should have said of it."""

    def __init__(self, engine: Engine, clock: LiveClock, *, learn: Callable[[Profile], None] | None = None) -> None:
        """Begin with no customers; with `learn` timers fire as soon as a worker's would (see `MemoryReplay`)."""
        self.engine = engine
        self._learn = learn
        self._due: dict[int, DueIndex] = {}
        self.clock = clock
        self.counters = Counters()
        self.newest_broker_ms: dict[int, int] = {}
        self.profiles: dict[int, dict[str, Profile]] = {}

    def feed(
        self, partition: int, broker_ms: int, key: bytes | None, value: bytes | None, *, tick: bool
    ) -> list[Change]:
        """Apply one record and return its changes; what is rejected is counted."""
        self.newest_broker_ms[partition] = max(broker_ms, self.newest_broker_ms.get(partition, NEVER_MS))
        changes: list[Change] = []
        if self._learn is not None:
            changes += self._in_time({partition: self._certain_ms(partition)}, self._learn)
        if tick:
            self.counters.ticks += 1
            return changes
        self.counters.events += 1
        try:
            event = decode_record(key, value, broker_ms, self.clock)
        except EventRejected as rejected:
            self.counters.rejected[rejected.reason] += 1
            return changes
        profiles = self.profiles.setdefault(partition, {})
        changes += apply_event(self.engine, profiles, event, self.counters)
        if self._learn is not None and event.customer in profiles:
            profile = profiles[event.customer]
            self._due.setdefault(partition, DueIndex()).move({event.customer: _due_ms(profile)})
            self._learn(profile)
        return changes

    def finish(self, until_ms: int | None = None) -> Iterator[Change]:
        """Fire what is certain at the log's end, or all that is due up to and including `until_ms`."""
        before_ms = {
            partition: self._certain_ms(partition) if until_ms is None else until_ms + 1 for partition in self.profiles
        }
        if self._learn is not None:
            yield from self._in_time(before_ms, self._learn)
            return
        for partition, profiles in self.profiles.items():
            for profile in profiles.values():
                yield from fire(self.engine, profile, before_ms[partition], self.counters)

    def _certain_ms(self, partition: int) -> int:
        return self.clock.certain_ms(self.newest_broker_ms[partition], NEVER_MS)

    def _in_time(self, before_ms: Mapping[int, int], learn: Callable[[Profile], None]) -> Iterator[Change]:
        parts = {
            partition: (self.profiles[partition], self._due[partition], bound_ms)
            for partition, bound_ms in before_ms.items()
            if partition in self._due
        }
        return in_time(self.engine, parts, self.counters, learn)


Part = tuple["Mapping[str, Profile]", DueIndex, int]
"""Profiles, which of them are due, and the instant strictly before which they may fire."""


def in_time(
    engine: Engine, parts: Mapping[int, Part], counters: Counters, learn: Callable[[Profile], None]
) -> Iterator[Change]:
    """Fire what is due, instant by instant over all parts, and learn after each; equal instants go by part and id."""
    while firsts := [
        (due_ms, number, customer)
        for number, (_, index, before_ms) in parts.items()
        for customer, due_ms in index.before(before_ms, 1)
    ]:
        due_ms, number, customer = min(firsts)
        profiles, index, _ = parts[number]
        profile = profiles[customer]
        yield from fire(engine, profile, due_ms + 1, counters)
        learn(profile)
        index.move({customer: _due_ms(profile)})


def apply_event(engine: Engine, profiles: dict[str, Profile], event: Event, counters: Counters) -> list[Change]:
    """Apply one decoded event to its customer and count what became of it."""
    profile = profiles.get(event.customer)
    fresh = profile is None
    if profile is None:
        profile = engine.new(event.customer)
    try:
        applied = engine.apply(profile, event)
    except EventRejected as rejected:
        counters.rejected[rejected.reason] += 1
        return []
    if applied.duplicate:
        counters.duplicates += 1
        return []
    if fresh:
        profiles[event.customer] = profile
        counters.customers += 1
    counters.applied += 1
    counters.newest_event_ms = max(counters.newest_event_ms, event.ts)
    return _counted(list(applied.changes), counters)


def fire(engine: Engine, profile: Profile, before_ms: int, counters: Counters) -> list[Change]:
    """Fire what one customer has due strictly before an instant."""
    return _counted(engine.advance(profile, before_ms), counters) if profile.due < before_ms else []


def _counted(changes: list[Change], counters: Counters) -> list[Change]:
    for change in changes:
        counters.changes[size_name(change), change.change] += 1
    return changes


def _due_ms(profile: Profile) -> int | None:
    return profile.due if profile.due < NEVER else None
