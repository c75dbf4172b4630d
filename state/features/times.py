"""Times of matching events: the newest, the oldest, how many, and the newest few in a window."""

from __future__ import annotations

from bisect import bisect_right, insort_right
from typing import TYPE_CHECKING, Any

from rules.checks.base import Feature
from rules.features import NEVER

if TYPE_CHECKING:
    from rules import features as specs
    from state.event import Event
    from state.features.base import Counted


class Newest(Feature):
    """State: the newest matching time (ms)."""

    def __init__(self, spec: specs.Newest) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the newer of both times."""
        del now
        return event.boxed_ts if state is None or event.ts > state else state

    def read(self, state: int | None, t: int) -> tuple[int | None, int]:
        """Return the time, which never changes by itself."""
        del t
        return state, NEVER


class Oldest(Feature):
    """State: the oldest matching time (ms)."""

    def __init__(self, spec: specs.Oldest) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the older of both times."""
        del now
        return event.boxed_ts if state is None or event.ts < state else state

    def read(self, state: int | None, t: int) -> tuple[int | None, int]:
        """Return the time, which never changes by itself."""
        del t
        return state, NEVER


class Count(Feature):
    """State: the number of matching events."""

    def __init__(self, spec: specs.Count) -> None:
        """Keep the definition."""
        self.spec = spec

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return one more."""
        del event, now
        return (state or 0) + 1

    def read(self, state: int | None, t: int) -> tuple[int, int]:
        """Return the count, which never changes by itself."""
        del t
        return state or 0, NEVER


class NewestTimes(Feature):
    """State: the newest matching times (ms) in the window, at most `keep` of them, ascending."""

    def __init__(self, spec: specs.NewestTimes) -> None:
        """Keep the definition."""
        self.spec = spec
        self.keep = spec.keep
        self.within_ms = spec.within_ms

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the times with one more, without those that have left the window or are more than needed."""
        ts, boxed = event.ts, event.boxed_ts
        cut = now - self.within_ms
        if ts <= cut:
            return state
        if state is None:
            return [boxed]
        times: list[int] = state
        if ts >= times[-1]:
            times.append(boxed)
        else:
            insort_right(times, boxed)
        drop = len(times) - self.keep
        if times[0] <= cut:
            drop = max(bisect_right(times, cut), drop)
        if drop > 0:
            if drop == 1:
                del times[0]
            else:
                del times[:drop]
        return times

    def read(self, state: list[int] | None, t: int) -> tuple[int, int]:
        """Return how many of the kept times are in the window at `t`, and when the first of them leaves."""
        if not state:
            return 0, NEVER
        first = bisect_right(state, t - self.within_ms)
        if first == len(state):
            return 0, NEVER
        return len(state) - first, state[first] + self.within_ms


def count_newest(slots: list[Any], counted: list[int], event: Event) -> None:
    """Update several of the kind `Newest`, by their slots, by an event that all of them count."""
    ts, boxed = event.ts, event.boxed_ts
    for slot in counted:
        state = slots[slot]
        if state is not None:
            newest: int = state
            if ts <= newest:
                continue
        slots[slot] = boxed


def count_times(slots: list[Any], counted: list[Counted], event: Event, now: int) -> int:
    """Update several of the kind `NewestTimes`; return the units that ask for as many as some of them keep now.

    An event that comes in order and pushes out none but the oldest is dealt with here.
    """
    ts, boxed = event.ts, event.boxed_ts
    full = 0
    for one in counted:
        state = slots[one.slot]
        if state:
            times: list[int] = state
            cut = now - one.within_ms
            if ts >= times[-1] and ts > cut and times[0] > cut:
                times.append(boxed)
                if len(times) >= one.keep:
                    full |= one.full_readers
                    if len(times) > one.keep:
                        del times[0]
                continue
        state = slots[one.slot] = one.feature.update(state, event, now)
        if state is not None and len(state) >= one.keep:
            full |= one.full_readers
    return full
