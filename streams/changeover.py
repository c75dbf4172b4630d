"""After a change of the definitions: every customer of a partition is brought under the new ruleset, at a limited rate.

A customer's next event does it too, whichever comes first. The partition's head says when all are through, so that a
new tenure need not look again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.parts import Parts

PAUSE_S = 0.1
"""Between two slices of customers."""


class Changeover:
    """One partition's pass over its customers; `pending` until all of them have been looked at."""

    def __init__(self, parts: Parts, partition: int, *, pending: bool) -> None:
        """Begin at the first customer."""
        self._store = parts.store
        self._partition = partition
        self._slice = max(1, round(parts.settings.changeover_rate * PAUSE_S))
        self._cursor = 0
        self._next_s = 0.0
        self._left: list[str] = []
        self.pending = pending

    def turn(self) -> bool:
        """Return whether it is time for the next slice."""
        return self.pending and time.monotonic() >= self._next_s

    def patience_s(self) -> float:
        """Return how long to wait before the next turn, infinite where there is none."""
        return max(0.0, self._next_s - time.monotonic()) if self.pending else float("inf")

    async def customers(self) -> list[str]:
        """Return the next customers to look at, and note when these were the last."""
        if self._left:
            found, self._left = self._left, []
        else:
            self._next_s = time.monotonic() + PAUSE_S
            self._cursor, found = await self._store.customers(self._partition, self._cursor, self._slice)
        self.pending = self._cursor != 0
        return list(dict.fromkeys(found))

    def leave(self, customers: Sequence[str]) -> None:
        """Take back those of the last customers who were not dealt with; the next turn, at once, is theirs."""
        if customers:
            self._left, self._next_s, self.pending = list(customers), 0.0, True
