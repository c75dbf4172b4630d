"""`in_segment`: the customer is in another segment, and has been for long enough."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.durations import describe_duration
from rules.features import NEVER


class InSegmentCheck(Leaf):
    """The check of a level that an earlier unit of the same evaluation set."""

    __slots__ = ("at_least_ms", "segment", "text", "unit")

    def __init__(self, path: str, wanted: str, unit: int, segment: str, at_least_ms: int) -> None:
        """Keep which level it is."""
        super().__init__(path, wanted)
        self.unit = unit
        self.segment = segment
        self.at_least_ms = at_least_ms
        self.text = f"is {wanted}"

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; with `at_least` it turns so long after the customer entered."""
        level = customer.levels.get(self.unit)
        if level is None or level[0] != self.segment:
            return False, NEVER
        turns = level[1] + self.at_least_ms
        return (False, turns) if t < turns else (True, NEVER)

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return for how long the customer has been in."""
        level = customer.levels.get(self.unit)
        if level is None or level[0] != self.segment:
            return None, f"{self.text} (is not)"
        since = describe_duration(t - level[1])
        return since, f"{self.text} ({since})"
