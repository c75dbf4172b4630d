"""The law of a window with more than 256 values: from there on, whole panes leave in place of single values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MOST_VALUES = 256
PANES = 64


@dataclass(frozen=True)
class Value:
    """One value of one event: sorted by time, then arrival (then its place in a list of one event)."""

    ts: int
    arrival: int
    place: int
    value: Any

    @property
    def age(self) -> tuple[int, int, int]:
        """Return what oldest and newest go by."""
        return self.ts, self.arrival, self.place


def pane_leaves(ts: int, within: int) -> int:
    """Return the instant at which the pane of `ts` leaves a window of `within` ms."""
    pane = max(1, -(-within // PANES))
    return (ts // pane + 1) * pane + within


def windowed(history: list[tuple[int, list[Value]]], within: int) -> tuple[list[Value], list[Value] | None]:
    """Replay (evaluated at, values) in order of arrival; return single values, and those in panes (None: no panes)."""
    single: list[Value] = []
    paned: list[Value] | None = None
    for at, values in history:
        fresh = [one for one in values if one.ts > at - within]
        if paned is not None and all(pane_leaves(one.ts, within) <= at for one in paned):
            single, paned = [], None
        if paned is not None:
            paned += fresh
            continue
        single = [one for one in single if one.ts > at - within] + fresh
        if len(single) > MOST_VALUES:
            single, paned = [], single
    return single, paned
