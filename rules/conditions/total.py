"""`total`: an aggregate of the values at a path, over matching events."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, model_validator

from rules import features
from rules.checks.total import IN_MILLIONTHS, MILLIONTHS, TotalCheck
from rules.comparisons import Duration, ScalarComparison, describe, describe_words, operators
from rules.conditions.base import Binder, Condition, EventMatch, Path
from rules.durations import format_duration
from rules.matching import OPPOSITES, kind_of, value_test
from rules.paths import SAFE_INTEGER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check

VALUES: Final = {
    "sum": "numbers",
    "avg": "numbers",
    "min": "numbers",
    "max": "numbers",
    "distinct": "distinct",
    "first": "scalars",
    "last": "scalars",
}
"""Aggregate -> what is kept for it; aggregates that keep the same share one feature."""


_AWAY: Final = {"distinct": frozenset({"gt", "gte"}), "max": frozenset({"gt", "gte"}), "min": frozenset({"lt", "lte"})}
"""Aggregate -> the comparisons that it only gets further from where values leave the window."""


class TotalEvent(ScalarComparison, EventMatch):
    """Which events, which of their values, what to make of them, and what that must be."""

    of: Path = Field(description="the path of the value; through a list each element counts")
    agg: Literal["sum", "avg", "min", "max", "distinct", "first", "last"] = Field(description="what to make of them")
    within: Duration | None = Field(default=None, description="takes events with t - within < ts <= t")

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if not operators(self):
            message = "says nothing of the total; write a comparison, like gte: 500"
            raise ValueError(message)
        return self


class Total(Condition):
    """The aggregate meets the comparison; with no value present it is false."""

    total: TotalEvent

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of a window that no event is ever in, and of numbers compared with what is none."""
        found = [("total.within", "0s takes no event")] if self.total.within == 0 else []
        if self.total.agg not in ("first", "last"):
            for operator, operand in operators(self.total).items():
                bounds = operand if isinstance(operand, list) else [operand]
                numbers = operator in ("exists", *OPPOSITES) or "number" in map(kind_of, bounds)
                if operator in ("before", "after") or (bounds and not numbers):
                    found.append((f"total.{operator}", f"never holds: {self.total.agg} is a number, and this is none"))
        return found

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the aggregate."""
        total = self.total
        spec = features.Total(total.selector(), total.of, VALUES[total.agg], total.within)
        slot, feature = binder.slot(spec)
        ops = operators(total)
        scaled = {operator: _in_millionths(operand) for operator, operand in ops.items() if operator != "exists"}
        if "exists" in ops:
            scaled["exists"] = ops["exists"]
        test = value_test(scaled if total.agg in IN_MILLIONTHS else ops)
        lately = f" within {format_duration(total.within)}" if total.within is not None else ""
        text = f"{total.agg} of {total.of} over {total.words()}{lately} {describe_words(ops)}"
        check = TotalCheck(f"{path}.total", describe(ops), slot, feature, total.agg, test, text)
        check.settled = ops.keys() <= _AWAY.get(total.agg, frozenset())
        return check


def _in_millionths(operand: Any) -> Any:
    if isinstance(operand, list):
        return [_in_millionths(item) for item in operand]
    if isinstance(operand, str | bool):
        return operand
    # A double like the values it is compared with, also where the definition has more digits than one holds.
    exact = Decimal(repr(float(operand))) * MILLIONTHS
    # An integer is compared in half the time; beyond 2^53 a comparison would take it for its nearest double.
    whole = int(exact)
    return whole if whole == exact and -SAFE_INTEGER <= whole <= SAFE_INTEGER else exact
