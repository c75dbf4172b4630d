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
    from collections.abc import Iterator

    from state.change import Change
    from state.engine import Engine
    from state.event import Event
    from state.profile import Profile
    from streams.clocks import LiveClock, StreamClock


_AT_ONCE = 1_000
"""Customers taken from the index at once."""


class MemoryReplay:
    """A file of events on the stream clock: an event's broker time is its own, and there is no grace."""

    def __init__(self, engine: Engine, clock: StreamClock, *, until_ms: int | None = None, early: bool = False) -> None:
        """Begin with no customers; events later than `until_ms` are counted and not applied.

        With `early` it keeps an index of what is due, so that `advance` costs what it fires and no more.
        """
        self.engine = engine
        self.clock = clock
        self.until_ms = until_ms
        self._due = DueIndex() if early else None
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
        changes = apply_event(self.engine, self.profiles, event, self.counters)
        if self._due is not None and event.customer in self.profiles:
            self._due.move({event.customer: _due_ms(self.profiles[event.customer])})
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

    def __init__(self, engine: Engine, clock: LiveClock) -> None:
        """Begin with no customers."""
        self.engine = engine
        self.clock = clock
        self.counters = Counters()
        self.newest_broker_ms: dict[int, int] = {}
        self.profiles: dict[int, dict[str, Profile]] = {}

    def feed(
        self, partition: int, broker_ms: int, key: bytes | None, value: bytes | None, *, tick: bool
    ) -> list[Change]:
        """Apply one record and return its changes; what is rejected is counted."""
        self.newest_broker_ms[partition] = max(broker_ms, self.newest_broker_ms.get(partition, NEVER_MS))
        if tick:
            self.counters.ticks += 1
            return []
        self.counters.events += 1
        try:
            event = decode_record(key, value, broker_ms, self.clock)
        except EventRejected as rejected:
            self.counters.rejected[rejected.reason] += 1
            return []
        return apply_event(self.engine, self.profiles.setdefault(partition, {}), event, self.counters)

    def finish(self, until_ms: int | None = None) -> Iterator[Change]:
        """Fire what is certain at the log's end, or all that is due up to and including `until_ms`."""
        for partition, profiles in self.profiles.items():
            certain_ms = self.clock.certain_ms(self.newest_broker_ms[partition], NEVER_MS)
            for profile in profiles.values():
                yield from fire(self.engine, profile, certain_ms if until_ms is None else until_ms + 1, self.counters)


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
