"""`did`: how many matching events there were, in a window or ever."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, Field, model_validator

from rules.comparisons import Duration, Number, NumberComparison, describe, describe_words, operators, value_test
from rules.conditions.base import Binder, Check, Condition, Customer, EventMatch, Leaf, Verdict
from rules.durations import format_duration
from rules.features import NEVER, Count, Newest, NewestTimes

if TYPE_CHECKING:
    from collections.abc import Sequence

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
            return DidLately(f"{path}.did", describe(ops), slot, test, did.within, text)
        verdicts = [test(count) for count in range(keep + 1)]
        # so many or more, as most ask: up to there an event changes nothing
        slot, _ = binder.slot(NewestTimes(did.selector(), keep, did.within), full=not any(verdicts[:keep]))
        return DidWithin(f"{path}.did", describe(ops), slot, verdicts, did.within, text)


def _often(ops: dict[str, Any]) -> str:
    """Return how often in words; nothing for the `at least once` that goes without saying."""
    if ops == {"gte": 1}:
        return ""
    return f" {describe_words(ops)} {'time' if list(ops.values()) == [1] else 'times'}"


class DidEver(Leaf):
    """The check of a count over all time."""

    __slots__ = ("slot", "test", "text")

    def __init__(self, path: str, wanted: str, slot: int, test: Any, text: str) -> None:
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
        count = customer.slots[self.slot] or 0
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
        times = customer.slots[self.slot]
        if not times:
            return self.verdicts[0], NEVER
        count = len(times) - bisect_right(times, t - self.within_ms)
        turns_at = self.turns_at[count]
        return self.verdicts[count], NEVER if turns_at < 0 else times[-1 - turns_at] + self.within_ms

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the count."""
        times = customer.slots[self.slot] or []
        count = len(times) - bisect_right(times, t - self.within_ms)
        return count, f"{self.text} ({count})"


class DidLately(Leaf):
    """The check of a bound that the newest time alone decides: once or more within a window, or never."""

    __slots__ = ("none", "one", "slot", "text", "within_ms")

    def __init__(self, path: str, wanted: str, slot: int, test: Any, within_ms: int, text: str) -> None:
        """Keep what the answer is with none, and with one or more."""
        super().__init__(path, wanted)
        self.slot = slot
        self.none: bool = test(0)
        self.one: bool = test(1)
        self.within_ms = within_ms
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; it turns when the newest event leaves the window."""
        newest = customer.slots[self.slot]
        if newest is None or newest + self.within_ms <= t:
            return self.none, NEVER
        return self.one, newest + self.within_ms if self.one is not self.none else NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return 1 where there is an event in the window (what is kept tells no more), else 0."""
        newest = customer.slots[self.slot]
        count = 0 if newest is None or newest + self.within_ms <= t else 1
        return count, f"{self.text} ({'at least 1' if count else 0})"
