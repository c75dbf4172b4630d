"""`since_last`, `since_first`: how long ago the newest, or the oldest, matching event was."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.durations import describe_duration
from rules.features import NEVER


class SinceCheck(Leaf):
    """The check of an elapsed time."""

    __slots__ = ("points", "slot", "text", "verdicts")

    def __init__(self, path: str, wanted: str, slot: int, points: list[int], verdicts: list[bool], text: str) -> None:
        """Keep the elapsed times at which the verdict may turn, and the verdict before each, and after all."""
        super().__init__(path, wanted)
        self.slot = slot
        self.points = points
        self.verdicts = verdicts
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth, until the next elapsed time at which the comparison could turn."""
        then = customer.slots[self.slot]
        if then is None:
            return False, NEVER
        since: int = then
        elapsed_ms = t - since
        for index, point in enumerate(self.points):
            if point > elapsed_ms:
                return self.verdicts[index], since + point
        return self.verdicts[-1], NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the elapsed time in words."""
        then = customer.slots[self.slot]
        if then is None:
            return None, f"{self.text} (never)"
        elapsed = describe_duration(t - then)
        return elapsed, f"{self.text} ({elapsed})"
