"""`did`: how many matching events there were, in a window or ever."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from rules.checks.did import DidEver, DidLately, DidWithin
from rules.comparisons import Duration, Number, NumberComparison, describe, describe_words, operators
from rules.conditions.base import Binder, Condition, EventMatch
from rules.durations import format_duration
from rules.features import Count, Newest, NewestTimes
from rules.matching import value_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check

MOST_TIMES: Final = 1_000


def _plain_is_eq(value: Any) -> Any:
    return {"eq": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Times(NumberComparison):
    """How often. A plain number means eq."""

    @model_validator(mode="after")
    def _bounded(self) -> Times:
        if not self.model_fields_set:
            message = "says nothing; write a comparison, like gte: 3"
            raise ValueError(message)
        for operator, operand in operators(self).items():
            bounds = operand if isinstance(operand, list) else [operand]
            if any(bound > MOST_TIMES for bound in bounds):
                message = f"{operator} {max(bounds)} is above {MOST_TIMES:,}; lower it, or use total with agg: sum"
                raise ValueError(message)
        return self

    def keep(self) -> int:
        """Return how many of the newest times decide every comparison."""
        needs = [0]
        for operator, operand in operators(self).items():
            bounds = operand if isinstance(operand, list) else [operand]
            needs += [math.ceil(bound) if operator == "gte" else math.floor(bound) + 1 for bound in bounds]
        return max(1, *needs)


class DidEvent(EventMatch):
    """Which events, how often, and how lately."""

    times: Annotated[Times, BeforeValidator(_plain_is_eq, json_schema_input_type=Number | Times)] = Field(
        default=Times(gte=1), description="how often; at least once where absent"
    )
    within: Duration | None = Field(default=None, description="counts events with t - within < ts <= t")


class Did(Condition):
    """The number of matching events meets `times`."""

    did: DidEvent

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of a number that is always, or never, met."""
        found = []
        if self.did.within == 0:
            found.append(("did.within", "0s counts no event"))
        ops = operators(self.did.times)
        test = value_test(ops)
        verdicts = {test(count) for count in range(self.did.times.keep() + 1)}
        if len(verdicts) == 1:
            found.append(("did.times", f"{describe(ops)} {'always' if verdicts.pop() else 'never'} holds"))
        return found

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check that fits what must be kept: one time, the newest few, or a count."""
        did = self.did
        ops = operators(did.times)
        test = value_test(ops)
        lately = f" within {format_duration(did.within)}" if did.within is not None else ""
        text = f"did {did.words()}{_often(ops)}{lately}"
        keep = did.times.keep()
        if did.within is None:
            slot, _ = binder.slot(Count(did.selector()))
            return DidEver(f"{path}.did", describe(ops), slot, test, text)
        if keep == 1:
            slot, _ = binder.slot(Newest(did.selector()))
            return DidLately(f"{path}.did", describe(ops), slot, test(0), test(1), did.within, text)
        verdicts = [test(count) for count in range(keep + 1)]
        # so many or more, as most ask: up to there an event changes nothing
        slot, _ = binder.slot(NewestTimes(did.selector(), keep, did.within), full=not any(verdicts[:keep]))
        return DidWithin(f"{path}.did", describe(ops), slot, verdicts, did.within, text)


def _often(ops: dict[str, Any]) -> str:
    """Return how often in words; nothing for the `at least once` that goes without saying."""
    if ops == {"gte": 1}:
        return ""
    return f" {describe_words(ops)} {'time' if list(ops.values()) == [1] else 'times'}"
