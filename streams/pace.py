"""How many records one commit takes, learned from what the ones before them weighed."""

from __future__ import annotations

import math


class Pace:
    """One tenure's estimate of what a record makes: much at once as soon as one batch says so, less only by and by.

    A batch that gets full midway is undone and done again more slowly, so each is given what is likely to fit.
    """

    def __init__(self) -> None:
        """Take it that records weigh nothing."""
        self._record_bytes = 0.0

    def share(self, records: int, most_bytes: int) -> int:
        """Return how many of so many records to take now: all of them, or the first of equal parts likely to fit."""
        parts = max(1, math.ceil(records * self._record_bytes / max(1, most_bytes)))
        return math.ceil(records / parts)

    def note(self, records: int, weight_bytes: int) -> None:
        """Learn from a batch of so many records, and what it weighed."""
        found = weight_bytes / max(1, records)
        self._record_bytes = max(found, (self._record_bytes + found) / 2)
