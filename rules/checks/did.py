"""`did`: how many matching events there were, in a window or ever."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable


class DidEver(Leaf):
    """The check of a count over all time."""

    __slots__ = ("slot", "test", "text")

    def __init__(self, path: str, wanted: str, slot: int, test: Callable[[Any], bool], text: str) -> None:
        """Keep where the count is, and what it must be."""
        super().__init__(path, wanted)
        self.slot = slot
        self.test = test
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the count meets the comparison; it never changes by itself."""
        del t
        return self.test(customer.slots[self.slot] or 0), NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the count."""
        del t
        count: int = customer.slots[self.slot] or 0
        return count, f"{self.text} ({count})"


class DidWithin(Leaf):
    """The check of a count in a window, by the newest times: as many as decide it.

    With no event the count only falls. So the verdict can turn no sooner than when it has fallen to the next lower
    count of the other verdict, and where there is none it stays.
    """

    __slots__ = ("slot", "text", "turns_at", "verdicts", "within_ms")

    def __init__(self, path: str, wanted: str, slot: int, verdicts: list[bool], within_ms: int, text: str) -> None:
        """Keep the verdict of each count, from none to as many as are kept."""
        super().__init__(path, wanted)
        self.slot = slot
        self.verdicts = verdicts
        self.within_ms = within_ms
        self.text = text
        self.turns_at = [
            max((lower for lower in range(count) if verdicts[lower] is not verdicts[count]), default=-1)
            for count in range(len(verdicts))
        ]

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the verdict of the count, until so many have left the window that it could be the other one."""
        state = customer.slots[self.slot]
        if not state:
            return self.verdicts[0], NEVER
        kept: list[int] = state
        cut = t - self.within_ms
        count = len(kept) if kept[0] > cut else len(kept) - bisect_right(kept, cut)
        turns_at = self.turns_at[count]
        return self.verdicts[count], NEVER if turns_at < 0 else kept[-1 - turns_at] + self.within_ms

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the count."""
        kept: list[int] | None = customer.slots[self.slot]
        count = len(kept) - bisect_right(kept, t - self.within_ms) if kept else 0
        return count, f"{self.text} ({count})"


class DidLately(Leaf):
    """The check of a bound that the newest time alone decides: once or more within a window, or never."""

    __slots__ = ("none", "one", "slot", "text", "within_ms")

    def __init__(self, path: str, wanted: str, slot: int, none: bool, one: bool, within_ms: int, text: str) -> None:
        """Keep what the answer is with none, and with one or more."""
        super().__init__(path, wanted)
        self.slot = slot
        self.none = none
        self.one = one
        self.within_ms = within_ms
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; it turns when the newest event leaves the window."""
        newest = customer.slots[self.slot]
        if newest is None:
            return self.none, NEVER
        leaves: int = newest + self.within_ms
        if leaves <= t:
            return self.none, NEVER
        return self.one, leaves if self.one != self.none else NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return 1 where there is an event in the window (what is kept tells no more), else 0."""
        newest = customer.slots[self.slot]
        count = 0 if newest is None or newest + self.within_ms <= t else 1
        return count, f"{self.text} ({'at least 1' if count else 0})"
