"""`then_not`: an event happened, and another did not follow it within a time."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.durations import describe_duration
from rules.features import NEVER


class ThenNotCheck(Leaf):
    """The check of an event that was not followed."""

    __slots__ = ("but_slot", "slot", "text", "wait_ms", "within_ms")

    def __init__(
        self, path: str, wanted: str, slot: int, but_slot: int, wait_ms: int, within_ms: int | None, text: str
    ) -> None:
        """Keep where both newest times are."""
        super().__init__(path, wanted)
        self.slot = slot
        self.but_slot = but_slot
        self.wait_ms = wait_ms
        self.within_ms = NEVER if within_ms is None else within_ms
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; it turns at e + wait and at e + within."""
        event = customer.slots[self.slot]
        if event is None:
            return False, NEVER
        but = customer.slots[self.but_slot]
        if but is not None and but > event:
            return False, NEVER
        e: int = event
        if t < e + self.wait_ms:
            return False, e + self.wait_ms
        if self.within_ms < NEVER:
            return (True, e + self.within_ms) if t < e + self.within_ms else (False, NEVER)
        return True, NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return how long ago the event was, or that it was followed."""
        event = customer.slots[self.slot]
        but = customer.slots[self.but_slot]
        if event is None:
            return None, f"{self.text} (it never happened)"
        ago = describe_duration(t - event)
        if but is not None and but > event:
            return ago, f"{self.text} (it followed)"
        return ago, f"{self.text} ({ago} ago)"
