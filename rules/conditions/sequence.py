"""`sequence`: matching events, one a step, that arrived in this order and whose times do not go back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from rules import features
from rules.comparisons import Duration, Model
from rules.conditions.base import Binder, Check, Condition, Customer, EventMatch, Leaf, Verdict
from rules.durations import describe_duration, format_duration
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence as Items


class StepEvent(EventMatch):
    """One step: which event, and how far from the step before."""

    within: Duration | None = Field(default=None, description="at most so long after the step before")
    after: Duration | None = Field(default=None, description="at least so long after the step before")


class Steps(Model):
    """The steps, and how lately the last one must have happened."""

    steps: list[StepEvent] = Field(min_length=1, description="one or more steps, in order")
    within: Duration | None = Field(default=None, description="the last step has t - within < ts <= t")

    @field_validator("steps")
    @classmethod
    def _first_stands_alone(cls, steps: list[StepEvent]) -> list[StepEvent]:
        if steps and steps[0].model_fields_set & {"within", "after"}:
            message = "the first step has none before it; write within and after from the second step on"
            raise ValueError(message)
        return steps


class SequenceOf(Condition):
    """There are matching events, one a step, in order of arrival and of time."""

    sequence: Steps

    def warnings(self) -> Items[tuple[str, str]]:
        """Warn of a step that no event can take."""
        found = []
        for index, step in enumerate(self.sequence.steps):
            if step.within is not None and step.after is not None and step.after > step.within:
                text = (
                    f"never holds: after {format_duration(step.after)} is above within {format_duration(step.within)}"
                )
                found.append((f"sequence.steps[{index}]", text))
        if self.sequence.within == 0:
            found.append(("sequence.within", "0s holds for no event"))
        return found

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the newest completion."""
        steps = tuple(features.Step(step.selector(), step.within, step.after) for step in self.sequence.steps)
        slot, feature = binder.slot(features.Sequence(steps))
        return SequenceCheck(f"{path}.sequence", slot, feature, self.sequence)


class SequenceCheck(Leaf):
    """The check of a completed sequence."""

    __slots__ = ("feature", "slot", "text", "within_ms")

    def __init__(self, path: str, slot: int, feature: Any, sequence: Steps) -> None:
        """Keep where the newest completion is, and how lately it must be."""
        lately = f" within {format_duration(sequence.within)}" if sequence.within is not None else ""
        steps = len(sequence.steps)
        super().__init__(path, f"{steps} {'step' if steps == 1 else 'steps'}{lately}")
        self.slot = slot
        self.feature = feature
        self.within_ms = sequence.within
        self.text = ", then ".join(step.words() for step in sequence.steps) + lately

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; with `within` it turns when the newest completion leaves the window."""
        state = customer.slots[self.slot]
        completed = None if state is None else self.feature.read(state, t)[0]
        if completed is None:
            return False, NEVER
        if self.within_ms is None:
            return True, NEVER
        until = completed + self.within_ms
        return (True, until) if until > t else (False, NEVER)

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return how long ago the sequence was last completed."""
        state = customer.slots[self.slot]
        completed = None if state is None else self.feature.read(state, t)[0]
        if completed is None:
            return None, f"{self.text} (not completed)"
        ago = describe_duration(t - completed)
        return ago, f"{self.text} (completed {ago} ago)"
