"""`total`: an aggregate of the values at a path, over matching events."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, model_validator

from rules import features
from rules.comparisons import (
    OPPOSITES,
    Duration,
    ScalarComparison,
    describe,
    describe_words,
    kind_of,
    operators,
    value_test,
)
from rules.conditions.base import Binder, Check, Condition, Customer, EventMatch, Leaf, Path, Verdict
from rules.durations import format_duration
from rules.features import NEVER
from rules.paths import SAFE_INTEGER
from rules.wording import short

if TYPE_CHECKING:
    from collections.abc import Sequence

MILLIONTHS: Final = 1_000_000
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

IN_MILLIONTHS: Final = frozenset({"sum", "avg"})


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
        return TotalCheck(f"{path}.total", slot, feature, total)


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


def of_millionths(millionths: int) -> float:
    """Return a sum or an average as JSON can hold it: from 2^53 on the nearest double, the greatest at most."""
    whole, rest = divmod(millionths, MILLIONTHS)
    if not rest and -SAFE_INTEGER <= whole <= SAFE_INTEGER:
        return whole
    try:
        return millionths / MILLIONTHS
    except OverflowError:
        return sys.float_info.max if millionths > 0 else -sys.float_info.max


class TotalCheck(Leaf):
    """The check of an aggregate. Sums and averages are whole millionths, and so are their bounds."""

    __slots__ = ("agg", "feature", "slot", "test", "text")

    def __init__(self, path: str, slot: int, feature: Any, total: TotalEvent) -> None:
        """Keep where the values are, and what the aggregate must be."""
        ops = operators(total)
        super().__init__(path, describe(ops))
        self.slot = slot
        self.feature = feature
        self.agg = total.agg
        scaled = {operator: _in_millionths(operand) for operator, operand in ops.items() if operator != "exists"}
        if "exists" in ops:
            scaled["exists"] = ops["exists"]
        self.test = value_test(scaled if total.agg in IN_MILLIONTHS else ops)
        lately = f" within {format_duration(total.within)}" if total.within is not None else ""
        self.text = f"{total.agg} of {total.of} over {total.words()}{lately} {describe_words(ops)}"

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the aggregate meets the comparison, until the aggregate next changes."""
        state = customer.slots[self.slot]
        if state is None:
            return False, NEVER
        value, until = self.feature.aggregate(state, t, self.agg)
        return (value is not None and self.test(value)), until

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the aggregate."""
        state = customer.slots[self.slot]
        value = None if state is None else self.feature.aggregate(state, t, self.agg)[0]
        if value is not None and self.agg in IN_MILLIONTHS:
            value = of_millionths(value)
        value = short(value)
        return value, f"{self.text} ({'no value' if value is None else value})"
