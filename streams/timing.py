"""How long things took, counted as Prometheus wants it: a few plain numbers, made into samples when it asks."""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The upper ends of the buckets, in seconds."""


class Timing:
    """A histogram; `total_s` is the sum of all that was observed."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        """Begin with nothing observed."""
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.total_s += seconds

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        """Time what is done inside; what fails is not counted."""
        began_s = perf_counter()
        yield
        self.observe(perf_counter() - began_s)

    def buckets(self) -> list[tuple[str, float]]:
        """Return each bucket's upper end, as Prometheus writes it, and how many were no longer than that."""
        found, count = [], 0
        for bound, more in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            count += more
            found.append((bound, float(count)))
        return found
