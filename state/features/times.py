"""Times of matching events: the newest, the oldest, how many, and the newest few in a window."""

from __future__ import annotations

from bisect import bisect_right, insort_right
from typing import TYPE_CHECKING, Any

from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules import features as specs
    from state.event import Event


class Newest:
    """State: the newest matching time (ms)."""

    def __init__(self, spec: specs.Newest) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: int | None, event: Event, now: int) -> int:
        """Return the newer of both times."""
        del now
        ts = event.ts
        return ts if state is None or ts > state else state

    def read(self, state: int | None, t: int) -> tuple[int | None, int]:
        """Return the time, which never changes by itself."""
        del t
        return state, NEVER


class Oldest:
    """State: the oldest matching time (ms)."""

    def __init__(self, spec: specs.Oldest) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: int | None, event: Event, now: int) -> int:
        """Return the older of both times."""
        del now
        ts = event.ts
        return ts if state is None or ts < state else state

    def read(self, state: int | None, t: int) -> tuple[int | None, int]:
        """Return the time, which never changes by itself."""
        del t
        return state, NEVER


class Count:
    """State: the number of matching events."""

    def __init__(self, spec: specs.Count) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: int | None, event: Event, now: int) -> int:
        """Return one more."""
        del event, now
        return (state or 0) + 1

    def read(self, state: int | None, t: int) -> tuple[int, int]:
        """Return the count, which never changes by itself."""
        del t
        return state or 0, NEVER


class NewestTimes:
    """State: the newest matching times (ms) in the window, at most `keep` of them, ascending."""

    def __init__(self, spec: specs.NewestTimes) -> None:
        """Keep the definition."""
        self.spec = spec
        self.keep = spec.keep
        self.within_ms = spec.within_ms

    def update(self, state: list[int] | None, event: Event, now: int) -> list[int] | None:
        """Return the times with one more, without those that have left the window or are more than needed."""
        ts = event.ts
        cut = now - self.within_ms
        if ts <= cut:
            return state
        if state is None:
            return [ts]
        if ts >= state[-1]:
            state.append(ts)
        else:
            insort_right(state, ts)
        drop = max(bisect_right(state, cut), len(state) - self.keep)
        if drop:
            del state[:drop]
        return state

    def read(self, state: list[int] | None, t: int) -> tuple[int, int]:
        """Return how many of the kept times are in the window at `t`, and when the first of them leaves."""
        if not state:
            return 0, NEVER
        first = bisect_right(state, t - self.within_ms)
        if first == len(state):
            return 0, NEVER
        return len(state) - first, state[first] + self.within_ms


def count_newest(slots: list[Any], counted: Iterable[int], ts: int) -> None:
    """Update several of the kind `Newest` by an event at `ts` (ms) that all of them count."""
    for slot in counted:
        state = slots[slot]
        if state is None or ts > state:
            slots[slot] = ts


def count_times(
    slots: list[Any], counted: Iterable[tuple[int, NewestTimes, int, int, int]], event: Event, now: int
) -> int:
    """Update several of the kind `NewestTimes`, each (slot, feature, its window in ms, how many it keeps, units).

    Returns the units of those that keep as many as they may. An event that comes in order and pushes out none but the
    oldest is dealt with here.
    """
    ts = event.ts
    full = 0
    for slot, feature, within_ms, keep, units in counted:
        times = slots[slot]
        if times and ts >= times[-1] and ts > now - within_ms < times[0]:
            times.append(ts)
            if len(times) >= keep:
                full |= units
                if len(times) > keep:
                    del times[0]
        else:
            times = slots[slot] = feature.update(times, event, now)
            if times is not None and len(times) >= keep:
                full |= units
    return full
