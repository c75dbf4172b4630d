"""Signs of life: what a partition does while its offset stands still."""

from __future__ import annotations

from collections import Counter


class Signs:
    """Counts, for each partition, the steps inside a commit or a take-over that got through.

    Publishing 30 MB of changes, or reading a long topic to its end, takes as long as it takes; each part has its own
    deadline, and gives a sign. The watchdog takes them for progress (`streams.watch`).
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._given: Counter[int] = Counter()

    def give(self, partition: int) -> None:
        """Note that the partition got on."""
        self._given[partition] += 1

    def of(self, partition: int) -> int:
        """Return how many there were."""
        return self._given[partition]
