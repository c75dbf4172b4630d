"""`sequence`: matching events, one a step, that arrived in this order and whose times do not go back."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.durations import describe_duration
from rules.features import NEVER


class SequenceCheck(Leaf):
    """The check of a completed sequence."""

    __slots__ = ("slot", "text", "within_ms")

    def __init__(self, path: str, wanted: str, slot: int, within_ms: int | None, text: str) -> None:
        """Keep where the newest completion is, and how lately it must be."""
        super().__init__(path, wanted)
        self.slot = slot
        self.within_ms = NEVER if within_ms is None else within_ms
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; with `within` it turns when the newest completion leaves the window."""
        state = customer.slots[self.slot]
        completed = None if state is None else state[0]
        if completed is None:
            return False, NEVER
        if self.within_ms == NEVER:
            return True, NEVER
        until: int = completed + self.within_ms
        return (True, until) if until > t else (False, NEVER)

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return how long ago the sequence was last completed."""
        state = customer.slots[self.slot]
        completed = None if state is None else state[0]
        if completed is None:
            return None, f"{self.text} (not completed)"
        ago = describe_duration(t - completed)
        return ago, f"{self.text} (completed {ago} ago)"
