"""`then_not`: an event happened, and another did not follow it within a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from rules.comparisons import Duration
from rules.conditions.base import Binder, Check, Condition, Customer, EventMatch, Leaf, Verdict
from rules.durations import describe_duration, format_duration
from rules.features import NEVER, Newest

if TYPE_CHECKING:
    from collections.abc import Sequence


class ThenNotEvents(EventMatch):
    """Which event, which other one did not follow, how long to wait, and how long to stay."""

    but: EventMatch = Field(description="the event that must not have followed")
    wait: Duration = Field(description="true from exactly so long after the event")
    within: Duration | None = Field(default=None, description="false again from exactly so long after the event")


class ThenNot(Condition):
    """The newest event happened at e, t >= e + wait, no `but` event has a time in (e, t]; t < e + within."""

    then_not: ThenNotEvents

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn where it is over before it begins."""
        spec = self.then_not
        if spec.within is not None and spec.within <= spec.wait:
            text = f"never holds: {format_duration(spec.within)} is not longer than wait {format_duration(spec.wait)}"
            return [("then_not.within", text)]
        return []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of both newest times."""
        spec = self.then_not
        slot, _ = binder.slot(Newest(spec.selector()))
        but_slot, _ = binder.slot(Newest(spec.but.selector()))
        return ThenNotCheck(f"{path}.then_not", slot, but_slot, spec)


class ThenNotCheck(Leaf):
    """The check of an event that was not followed."""

    __slots__ = ("but_slot", "slot", "text", "wait_ms", "within_ms")

    def __init__(self, path: str, slot: int, but_slot: int, spec: ThenNotEvents) -> None:
        """Keep where both newest times are."""
        wait = format_duration(spec.wait)
        super().__init__(path, f"no {spec.but.words()} for {wait}")
        self.slot = slot
        self.but_slot = but_slot
        self.wait_ms = spec.wait
        self.within_ms = NEVER if spec.within is None else spec.within
        self.text = f"{spec.words()}, then no {spec.but.words()} for {wait}"

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; it turns at e + wait and at e + within."""
        event = customer.slots[self.slot]
        but = customer.slots[self.but_slot]
        if event is None or (but is not None and but > event):
            return False, NEVER
        if t < event + self.wait_ms:
            return False, event + self.wait_ms
        if self.within_ms < NEVER:
            return (True, event + self.within_ms) if t < event + self.within_ms else (False, NEVER)
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
