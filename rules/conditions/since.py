"""`since_last`, `since_first`: how long ago the newest, or the oldest, matching event was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import model_validator

from rules.checks.since import SinceCheck
from rules.comparisons import DurationComparison, describe, describe_words, operators
from rules.conditions.base import Binder, Condition, EventMatch
from rules.features import Newest, Oldest
from rules.matching import value_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check

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
        return _check(f"{path}.since_last", slot, self.since_last, "last")


class SinceFirst(Condition):
    """The time since the oldest matching event meets the comparison; false with no such event."""

    since_first: SinceEvent

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of comparisons that exclude each other."""
        return [("since_first", "never holds: no time meets all of it")] if self.since_first.never_holds() else []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the oldest time."""
        slot, _ = binder.slot(Oldest(self.since_first.selector()))
        return _check(f"{path}.since_first", slot, self.since_first, "first")


def _check(path: str, slot: int, since: SinceEvent, which: str) -> Check:
    ops = operators(since)
    points, test = turning_points(ops), value_test(ops)
    verdicts = [test(elapsed_ms) for elapsed_ms in (-1, *points)]
    text = f"{which} {since.words()} {describe_words(ops, durations=True)} ago"
    return SinceCheck(path, describe(ops, durations=True), slot, points, verdicts, text)


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
