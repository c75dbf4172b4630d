"""The samples that clusters are first made from, until there are enough."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING

import numpy as np

from state.models.learners.scaling import LARGEST
from state.models.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from state.models.sample import Sample

    Vector = tuple[float | None, ...]


class Warming:
    """The newest `most` samples; those of `for_ms` will do. Memory does not grow beyond that, however long it takes."""

    def __init__(self, names: Sequence[str], most: int, for_ms: int) -> None:
        """`names` are the features'."""
        self._names = tuple(names)
        self._most = most
        self._for_ms = for_ms
        self._held: deque[tuple[str, Vector]] = deque()
        self._distinct: Counter[Vector] = Counter()
        self._added = 0
        self._changed = [0] * len(self._names)
        """Of each feature, which sample was the newest whose value was another than the one's before."""
        self._last: list[float | None] = [None] * len(self._names)
        self._first_at: int | None = None
        self.span_ms = 0
        """From the first sample ever added to the newest."""

    def __len__(self) -> int:
        return len(self._held)

    def add(self, sample: Sample) -> None:
        """Keep a sample; the oldest beyond `most` is forgotten."""
        vector = tuple([None if math.isnan(value) else value for value in sample.x])
        self._added += 1
        for place, value in enumerate(vector):
            if value is not None and -LARGEST <= value <= LARGEST and value != self._last[place]:
                if self._last[place] is not None:
                    self._changed[place] = self._added
                self._last[place] = value
        if self._first_at is None:
            self._first_at = sample.at
        self.span_ms = max(self.span_ms, sample.at - self._first_at)
        self._held.append((sample.customer, vector))
        self._distinct[vector] += 1
        if len(self._held) > self._most:
            _, gone = self._held.popleft()
            self._distinct[gone] -= 1
            if not self._distinct[gone]:
                del self._distinct[gone]

    @property
    def over(self) -> bool:
        """Whether there are as many as wanted, or they took as long."""
        return len(self._held) >= self._most or self.span_ms >= self._for_ms

    def ready(self, k: int) -> bool:
        """Return whether centres can be made: each feature varies, and `k` different vectors are there."""
        return self.distinct >= k and not any(True for _ in self.constant())

    @property
    def distinct(self) -> int:
        """How many different vectors are held."""
        return len(self._distinct)

    def constant(self) -> Iterator[str]:
        """Yield the features that never vary in what is held."""
        # A change at the oldest held sample is one against a sample that is forgotten.
        oldest = self._added - len(self._held) + 1
        return (name for name, changed in zip(self._names, self._changed, strict=True) if changed <= oldest)

    def scale(self) -> Scale:
        """Return means and standard deviations (of the population) of the finite values held."""
        rows = np.array([vector for _, vector in self._held], dtype=np.float64)
        rows[~(np.abs(rows) <= LARGEST)] = np.nan
        return Scale(np.nanmean(rows, axis=0).tolist(), np.nanstd(rows, axis=0).tolist())

    def samples(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Yield (customer, vector), the oldest first."""
        return ((customer, tuple([math.nan if v is None else v for v in vector])) for customer, vector in self._held)
