"""Totals over all time: running values, nothing to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.checks.base import Feature
from rules.features import NEVER
from state.features import distinct
from state.features.base import pack_int, unpack_int
from state.features.values import ValueReader, divide_half_even, millionths

if TYPE_CHECKING:
    from rules.features import Total
    from state.event import Event
    from state.features.base import Caps


class RunningNumbers(Feature):
    """State: [count, sum in millionths, min, max]."""

    def __init__(self, spec: Total) -> None:
        """Keep the definition."""
        self.spec = spec
        self.values = ValueReader(spec)

    def update(self, state: list[Any] | None, event: Event, now: int) -> Any:
        """Return the state with the event's numbers added."""
        del now
        for number in self.values.read(event.body):
            if state is None:
                state = [0, 0, number, number]
            state[0] += 1
            state[1] = pack_int(unpack_int(state[1]) + millionths(number))
            state[2] = min(state[2], number)
            state[3] = max(state[3], number)
        return state

    def aggregate(self, state: Any, t: int, agg: str) -> tuple[Any, int]:
        """Return the aggregate (sums and averages in millionths); it never changes by itself."""
        del t
        count, total, low, high = state
        match agg:
            case "sum":
                return unpack_int(total), NEVER
            case "avg":
                return divide_half_even(unpack_int(total), count), NEVER
            case "min":
                return low, NEVER
            case _:
                return high, NEVER


class RunningScalars(Feature):
    """State: [time of the first, first, time of the last, last]."""

    def __init__(self, spec: Total) -> None:
        """Keep the definition."""
        self.spec = spec
        self.values = ValueReader(spec)

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the state with the event's values; oldest and newest go by time, then arrival."""
        del now
        for value in self.values.read(event.body):
            if state is None:
                state = [event.boxed_ts, value, event.boxed_ts, value]
            if event.ts < state[0]:
                state[0], state[1] = event.boxed_ts, value
            if event.ts >= state[2]:
                state[2], state[3] = event.boxed_ts, value
        return state

    def aggregate(self, state: Any, t: int, agg: str) -> tuple[Any, int]:
        """Return the first or the last value; it never changes by itself."""
        del t
        return state[1] if agg == "first" else state[3], NEVER


class RunningDistinct(Feature):
    """State: that of `distinct`."""

    def __init__(self, spec: Total, caps: Caps) -> None:
        """Keep the definition; `caps` counts the estimates."""
        self.spec = spec
        self.caps = caps
        self.values = ValueReader(spec)

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the state with the event's values counted."""
        del now
        for value_hash in self.values.read(event.body):
            state = state or distinct.empty()
            if distinct.add(state, value_hash):
                self.caps["distinct_estimated"] += 1
        return state

    def aggregate(self, state: Any, t: int, agg: str) -> tuple[Any, int]:
        """Return the number of distinct values; it never changes by itself."""
        del t, agg
        return distinct.count(state), NEVER
