"""`in_segment`: the customer is in another segment, and has been for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from rules.comparisons import Duration, Model
from rules.conditions.base import Binder, Check, Condition, Customer, Leaf, Verdict
from rules.durations import describe_duration, format_duration
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence


class Membership(Model):
    """Which segment, and for how long."""

    key: str = Field(description="a segment's key; one inside a segmentation is written segmentation.segment")
    at_least: Duration | None = Field(default=None, description="has been in for so long since they last entered")


def plain_is_key(value: Any) -> Any:
    """Return a plain text as the mapping it stands for."""
    return {"key": value} if isinstance(value, str) else value


class InSegment(Condition):
    """The customer is in that segment."""

    in_segment: Annotated[Membership, BeforeValidator(plain_is_key, json_schema_input_type=str | Membership)]

    def references(self) -> Sequence[str]:
        """Return the segment asked about."""
        return [self.in_segment.key]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the other unit's level."""
        unit, segment = binder.unit(self.in_segment.key)
        return InSegmentCheck(f"{path}.in_segment", unit, segment, self.in_segment)


class InSegmentCheck(Leaf):
    """The check of a level that an earlier unit of the same evaluation set."""

    __slots__ = ("at_least_ms", "segment", "text", "unit")

    def __init__(self, path: str, unit: int, segment: str, membership: Membership) -> None:
        """Keep which level it is."""
        lately = f" for at least {format_duration(membership.at_least)}" if membership.at_least is not None else ""
        super().__init__(path, f"in {membership.key}{lately}")
        self.unit = unit
        self.segment = segment
        self.at_least_ms = membership.at_least or 0
        self.text = f"is in {membership.key}{lately}"

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; with `at_least` it turns so long after the customer entered."""
        level = customer.levels[self.unit]
        if level is None or level[0] != self.segment:
            return False, NEVER
        turns = level[1] + self.at_least_ms
        return (False, turns) if t < turns else (True, NEVER)

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return for how long the customer has been in."""
        level = customer.levels[self.unit]
        if level is None or level[0] != self.segment:
            return None, f"{self.text} (is not)"
        since = describe_duration(t - level[1])
        return since, f"{self.text} ({since})"
