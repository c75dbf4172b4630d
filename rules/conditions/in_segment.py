"""`in_segment`: the customer is in another segment, and has been for long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from rules.checks.in_segment import InSegmentCheck
from rules.comparisons import Duration, Model
from rules.conditions.base import Binder, Condition
from rules.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check


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
        at_least = self.in_segment.at_least
        lately = f" for at least {format_duration(at_least)}" if at_least is not None else ""
        wanted = f"in {self.in_segment.key}{lately}"
        return InSegmentCheck(f"{path}.in_segment", wanted, unit, segment, at_least or 0)
