"""How many customers change their cluster in a week, from a fair part of them: memory does not grow with customers."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final

from state.models.packed import pack_floats, pack_wholes, unpack_floats, unpack_wholes

WEEK_MS: Final = 604_800_000
MOST: Final = 2_000
"""Customers watched; a share of 1 % of them is right within 0.4 points, 19 times of 20."""
WEEKS: Final = 4
"""The newest so many weeks are told as recent."""
ALL_HASHES: Final = 1 << 32


class Moves:
    """Moves between clusters a customer and week, of the customers whose hash is low enough to be among so many."""

    def __init__(self) -> None:
        """Begin with every customer."""
        self._below = ALL_HASHES
        self._last: dict[int, tuple[int, int]] = {}
        """Customer's hash -> the newest sample's instant (ms) and cluster."""
        self._weeks: dict[int, list[float]] = {}
        """Week since 1970 -> customer-weeks watched, moves."""
        self._all = [0.0, 0.0]

    def see(self, customer: str, at: int, cluster: int) -> None:
        """Take what was said of a customer at instant `at` (ms)."""
        mark = int.from_bytes(blake2b(customer.encode(), digest_size=4).digest())
        if mark >= self._below:
            return
        before = self._last.get(mark)
        if before is not None:
            if at <= before[0]:
                return
            self._count(at, (at - before[0]) / WEEK_MS, moved=cluster != before[1])
        self._last[mark] = (at, cluster)
        while len(self._last) > MOST:
            self._below //= 2
            self._last = {mark: last for mark, last in self._last.items() if mark < self._below}

    def metrics(self) -> dict[str, float | None]:
        """Return moves a customer and week: in the newest four weeks that had samples, and since the start."""
        recent = [sum(column) for column in zip(*self._weeks.values(), strict=True)] or [0.0, 0.0]
        return {"recent": _share(recent), "all": _share(self._all)}

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        return {
            "below": self._below,
            "marks": pack_wholes(self._last),
            "instants": pack_floats(at for at, _ in self._last.values()),
            "clusters": pack_wholes(cluster for _, cluster in self._last.values()),
            "weeks": [[week, *counts] for week, counts in self._weeks.items()],
            "all": list(self._all),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._below = state["below"]
        instants = map(int, unpack_floats(state["instants"]))
        last = zip(instants, unpack_wholes(state["clusters"]), strict=True)
        self._last = dict(zip(unpack_wholes(state["marks"]), last, strict=True))
        self._weeks = {week: counts for week, *counts in state["weeks"]}
        self._all = list(state["all"])

    def _count(self, at: int, watched: float, *, moved: bool) -> None:
        week = at // WEEK_MS
        counts = self._weeks.setdefault(week, [0.0, 0.0])
        for sums in (counts, self._all):
            sums[0] += watched
            sums[1] += moved
        if len(self._weeks) > WEEKS:
            del self._weeks[min(self._weeks)]


def _share(counts: list[float]) -> float | None:
    watched, moves = counts
    return moves / watched if watched else None
