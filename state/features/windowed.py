"""Totals over a window: up to 256 values with their times, then panes until the window is empty.

A pane `[n·p, (n+1)·p)`, `p = ceil(within / 64)` ms, leaves whole at its end + `within`.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from rules.checks.base import Feature
from rules.features import NEVER, CountWithin, Total
from state.features import distinct
from state.features.base import pack_int, unpack_int
from state.features.values import ValueReader, divide_half_even, millionths, sum_millionths

if TYPE_CHECKING:
    from state.event import Event
    from state.features.base import Caps

MOST_VALUES: Final = 256
PANES: Final = 64

# State while exact: [times ascending, values, sum in millionths]
TIMES: Final = 0
VALUES: Final = 1
SUM: Final = 2
# State in panes: [None, panes ascending, distinct state]; a pane is its number, and what its form needs
N = 0
COUNT, PANE_SUM, LOW, HIGH = range(1, 5)
FIRST_TS, FIRST, LAST_TS, LAST = range(1, 5)


class Windowed(Feature):
    """Values in a window, of one form: `numbers`, `scalars` or `distinct` (hashes)."""

    def __init__(self, spec: Total | CountWithin, caps: Caps) -> None:
        """Keep the definition; `caps` counts the switches to panes and the estimates. A count is a sum of ones."""
        within_ms = spec.within_ms
        if within_ms is None:
            message = "a total with no window is a running one"
            raise ValueError(message)
        self.spec = spec
        self.caps = caps
        self.within_ms = within_ms
        self.pane_ms = max(1, -(-within_ms // PANES))
        form = "numbers" if isinstance(spec, CountWithin) else spec.values
        self.values = None if isinstance(spec, CountWithin) else ValueReader(spec)
        self.numbers = form == "numbers"
        self.distinct = form == "distinct"

    def update(self, state: list[Any] | None, event: Event, now: int) -> Any:
        """Return the state with the event's values, without what has left the window at `now`."""
        values: list[Any] = [1] if self.values is None else self.values.read(event.body)
        cut = now - self.within_ms
        if event.ts <= cut or not values:
            return state
        if state is not None and state[TIMES] is None:
            self._drop_panes(state, now)
            if state[1]:
                for value in values:
                    self._into_pane(state, event.ts, value)
                return state
            state = None
        if state is None:
            state = [[], [], 0]
        self._insert(state, event, values, cut)
        return self._to_panes(state) if len(state[TIMES]) > MOST_VALUES else state

    def aggregate(self, state: list[Any], t: int, agg: str) -> tuple[Any, int]:
        """Return the aggregate at `t` (sums and averages in millionths), None with no value, and when it changes."""
        if state[TIMES] is None:
            return self._of_panes(state, t, agg)
        times: list[int] = state[TIMES]
        values: list[Any] = state[VALUES]
        cut = t - self.within_ms
        first = bisect_right(times, cut) if times and times[0] <= cut else 0
        if first == len(times):
            return None, NEVER
        match agg:
            case "sum" | "avg":
                total = unpack_int(state[SUM])
                if first:
                    total -= sum_millionths(values[:first])
                value = total if agg == "sum" else divide_half_even(total, len(times) - first)
                return value, times[first] + self.within_ms
            case "min" | "max":
                extreme = (min if agg == "min" else max)(values[first:])
                newest = max(times[index] for index in range(first, len(times)) if values[index] == extreme)
                return extreme, newest + self.within_ms
            case "distinct":
                inside = values[first:] if first else values
                count = len(set(inside))
                turns = first if count == len(inside) else first + _first_without_equal(inside)
                return count, times[turns] + self.within_ms
            case "first":
                return values[first], times[first] + self.within_ms
            case _:
                return values[-1], times[-1] + self.within_ms

    def _insert(self, state: list[Any], event: Event, added: list[Any], cut: int) -> None:
        times: list[int] = state[TIMES]
        values: list[Any] = state[VALUES]
        if not times or event.ts >= times[-1]:
            for value in added:
                times.append(event.boxed_ts)
                values.append(value)
        else:
            index = bisect_right(times, event.ts)
            times[index:index] = [event.boxed_ts] * len(added)
            values[index:index] = added
        gone = bisect_right(times, cut) if times[0] <= cut else 0
        if self.numbers:
            total = unpack_int(state[SUM]) + sum_millionths(added)
            if gone:
                total -= sum_millionths(values[:gone])
            state[SUM] = pack_int(total)
        if gone:
            del times[:gone], values[:gone]

    def _to_panes(self, exact: list[Any]) -> list[Any]:
        self.caps["total_panes"] += 1
        state: list[Any] = [None, [], distinct.empty() if self.distinct else None]
        for ts, value in zip(exact[TIMES], exact[VALUES], strict=True):
            self._into_pane(state, ts, value)
        return state

    def _into_pane(self, state: list[Any], ts: int, value: Any) -> None:
        panes = state[1]
        n = ts // self.pane_ms
        index = bisect_right(panes, n, key=lambda pane: pane[N])
        if index and panes[index - 1][N] == n:
            pane = panes[index - 1]
        else:
            pane = [n]
            panes.insert(index, pane)
        if self.distinct:
            if distinct.add(state[2], value):
                self.caps["distinct_estimated"] += 1
        elif self.numbers:
            self._add_number(pane, value)
        else:
            self._add_scalar(pane, ts, value)

    def _add_number(self, pane: list[Any], value: Any) -> None:
        if len(pane) == 1:
            pane += [0, 0, value, value]
        pane[COUNT] += 1
        pane[PANE_SUM] = pack_int(unpack_int(pane[PANE_SUM]) + millionths(value))
        pane[LOW] = min(pane[LOW], value)
        pane[HIGH] = max(pane[HIGH], value)

    def _add_scalar(self, pane: list[Any], ts: int, value: Any) -> None:
        if len(pane) == 1:
            pane += [ts, value, ts, value]
        if ts < pane[FIRST_TS]:
            pane[FIRST_TS], pane[FIRST] = ts, value
        if ts >= pane[LAST_TS]:
            pane[LAST_TS], pane[LAST] = ts, value

    def _leaves_at(self, pane: list[Any]) -> int:
        return int((pane[N] + 1) * self.pane_ms + self.within_ms)

    def _drop_panes(self, state: list[Any], now: int) -> None:
        state[1] = self._panes_at(state, now)

    def _panes_at(self, state: list[Any], t: int) -> list[Any]:
        """Return the panes that have not left at `t`; they leave in their order."""
        panes: list[Any] = state[1]
        if not panes or self._leaves_at(panes[0]) > t:
            return panes
        return [pane for pane in panes if self._leaves_at(pane) > t]

    def _of_panes(self, state: list[Any], t: int, agg: str) -> tuple[Any, int]:
        panes = self._panes_at(state, t)
        if not panes:
            return None, NEVER
        until = self._leaves_at(panes[0])
        match agg:
            case "sum":
                return sum(int(pane[PANE_SUM]) for pane in panes), until
            case "avg":
                total = sum(int(pane[PANE_SUM]) for pane in panes)
                return divide_half_even(total, sum(pane[COUNT] for pane in panes)), until
            case "min":
                return min(pane[LOW] for pane in panes), until
            case "max":
                return max(pane[HIGH] for pane in panes), until
            case "distinct":
                return distinct.count(state[2]), self._leaves_at(panes[-1])
            case "first":
                return panes[0][FIRST], until
            case _:
                return panes[-1][LAST], self._leaves_at(panes[-1])


def _first_without_equal(values: list[Any]) -> int:
    """Return the index of the first value that does not come again: with it goes one of the distinct ones."""
    for index, value in enumerate(values, 1):
        if value not in values[index:]:
            return index - 1
    raise AssertionError  # the last one never does
