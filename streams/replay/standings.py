"""How many customers stood in each segment at a moment of stream time, from the changes alone.

A change counts from its `at` on, so it does not matter when it was computed: two ways of replaying the same file say
the same of every moment.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGN = {"entered": 1, "exited": -1}


class Standings:
    """Segment sizes at the multiples of a step of stream time, counted from 1970-01-01T00:00Z."""

    def __init__(self, step_ms: int) -> None:
        """Begin with nobody anywhere; `step_ms` is above zero."""
        self.step_ms = step_ms
        self.sizes: Counter[str] = Counter()
        self._steps: dict[int, Counter[str]] = {}

    def add(self, name: str, move: str, at_ms: int) -> None:
        """Count one change: a segment's name (`own` or `segmentation.segment`), `entered` or `exited`, its instant."""
        self._steps.setdefault(at_ms // self.step_ms, Counter())[name] += SIGN[move]

    def boundary(self, at_ms: int) -> int:
        """Return the last multiple of the step that is not after the instant."""
        return at_ms // self.step_ms * self.step_ms

    def until(self, end_ms: int) -> Iterator[tuple[int, Counter[str]]]:
        """Yield (instant, sizes) at the end of each step that began before `end_ms` and changed something.

        All changes before `end_ms` must have been added. The instants are the steps' ends, the last at most `end_ms`.
        """
        for step in sorted(step for step in self._steps if step * self.step_ms < end_ms):
            self.sizes.update(self._steps.pop(step))
            yield min((step + 1) * self.step_ms, end_ms), +self.sizes

    def finish(self, horizon_ms: int) -> Iterator[tuple[int, Counter[str]]]:
        """Yield the rest, up to and including the horizon, where the last step ends."""
        for at_ms, sizes in self.until(horizon_ms + 1):
            yield min(at_ms, horizon_ms), sizes
