"""`since_last`, `since_first`: how long ago the newest, or the oldest, matching event was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from rules.comparisons import (
    DurationComparison,
    describe,
    describe_words,
    operators,
    value_test,
)
from rules.conditions.base import Binder, Check, Condition, Customer, EventMatch, Leaf, Verdict
from rules.durations import describe_duration
from rules.features import NEVER, Newest, Oldest

if TYPE_CHECKING:
    from collections.abc import Sequence

_TURNS_AFTER = {
    "gte": (0,),
    "lt": (0,),
    "gt": (1,),
    "lte": (1,),
    "eq": (0, 1),
    "ne": (0, 1),
    "in": (0, 1),
    "not_in": (0, 1),
}


class SinceEvent(DurationComparison, EventMatch):
    """Which events, and how long ago."""

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if not operators(self):
            message = "says nothing of the time; write a comparison, like gte: 30d"
            raise ValueError(message)
        return self

    def never_holds(self) -> bool:
        """Return whether no time that has passed meets all comparisons."""
        ops = operators(self)
        return not any(map(value_test(ops), [0, *turning_points(ops)]))


class SinceLast(Condition):
    """The time since the newest matching event meets the comparison; false with no such event."""

    since_last: SinceEvent

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of comparisons that exclude each other."""
        return [("since_last", "never holds: no time meets all of it")] if self.since_last.never_holds() else []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the newest time."""
        slot, _ = binder.slot(Newest(self.since_last.selector()))
        return SinceCheck(f"{path}.since_last", slot, self.since_last, "last")


class SinceFirst(Condition):
    """The time since the oldest matching event meets the comparison; false with no such event."""

    since_first: SinceEvent

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of comparisons that exclude each other."""
        return [("since_first", "never holds: no time meets all of it")] if self.since_first.never_holds() else []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the oldest time."""
        slot, _ = binder.slot(Oldest(self.since_first.selector()))
        return SinceCheck(f"{path}.since_first", slot, self.since_first, "first")


def turning_points(ops: dict[str, Any]) -> list[int]:
    """Return every elapsed time (ms) at which one of the comparisons could turn, ascending."""
    points: set[int] = set()
    for operator, operand in ops.items():
        if operator == "between":
            points |= {operand[0], operand[1] + 1}
        else:
            bounds = operand if isinstance(operand, list) else [operand]
            points |= {bound + after for bound in bounds for after in _TURNS_AFTER[operator]}
    return sorted(points)


class SinceCheck(Leaf):
    """The check of an elapsed time."""

    __slots__ = ("points", "slot", "test", "text")

    def __init__(self, path: str, slot: int, since: SinceEvent, which: str) -> None:
        """Keep the comparison, and the elapsed times at which it turns."""
        ops = operators(since)
        super().__init__(path, describe(ops, durations=True))
        self.slot = slot
        self.test = value_test(ops)
        self.points = turning_points(ops)
        self.text = f"{which} {since.words()} {describe_words(ops, durations=True)} ago"

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth, until the next elapsed time at which the comparison could turn."""
        then = customer.slots[self.slot]
        if then is None:
            return False, NEVER
        elapsed_ms = t - then
        for point in self.points:
            if point > elapsed_ms:
                return self.test(elapsed_ms), then + point
        return self.test(elapsed_ms), NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the elapsed time in words."""
        then = customer.slots[self.slot]
        if then is None:
            return None, f"{self.text} (never)"
        elapsed = describe_duration(t - then)
        return elapsed, f"{self.text} ({elapsed})"
