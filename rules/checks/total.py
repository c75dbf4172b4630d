"""`total`: an aggregate of the values at a path, over matching events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from rules.checks.base import Customer, Feature, Leaf, Verdict
from rules.features import NEVER
from rules.paths import SAFE_INTEGER
from rules.wording import short

if TYPE_CHECKING:
    from collections.abc import Callable

MILLIONTHS: Final = 1_000_000


def of_millionths(millionths: int) -> int | float:
    """Return a sum or an average as JSON can hold it: from 2^53 on the nearest double, the greatest at most."""
    whole, rest = divmod(millionths, MILLIONTHS)
    if not rest and -SAFE_INTEGER <= whole <= SAFE_INTEGER:
        return whole
    try:
        return millionths / MILLIONTHS
    except OverflowError:
        return sys.float_info.max if millionths > 0 else -sys.float_info.max


IN_MILLIONTHS: Final = frozenset({"sum", "avg"})


class TotalCheck(Leaf):
    """The check of an aggregate. Sums and averages are whole millionths, and so are their bounds."""

    __slots__ = ("agg", "feature", "settled", "slot", "test", "text")

    def __init__(
        self, path: str, wanted: str, slot: int, feature: Feature, agg: str, test: Callable[[Any], bool], text: str
    ) -> None:
        """Keep where the values are, and what the aggregate must be."""
        super().__init__(path, wanted)
        self.slot = slot
        self.feature = feature
        self.agg = agg
        self.test = test
        self.text = text
        self.settled = False
        """Whether values that leave the window take the aggregate only further from what it must be."""

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the aggregate meets the comparison, until a change of it could change that."""
        state = customer.slots[self.slot]
        if state is None:
            return False, NEVER
        value, until = self.feature.aggregate(state, t, self.agg)
        if value is not None and self.test(value):
            return True, until
        return False, NEVER if self.settled else until

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the aggregate."""
        state = customer.slots[self.slot]
        value = None if state is None else self.feature.aggregate(state, t, self.agg)[0]
        if value is not None and self.agg in IN_MILLIONTHS:
            value = of_millionths(value)
        value = short(value)
        return value, f"{self.text} ({'no value' if value is None else value})"
