"""`sequence`: matching events, one a step, that arrived in this order and whose times do not go back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from rules import features
from rules.checks.sequence import SequenceCheck
from rules.comparisons import Duration, Model
from rules.conditions.base import Binder, Condition, EventMatch
from rules.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence as Items

    from rules.checks.base import Check


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
        slot, _ = binder.slot(features.Sequence(steps))
        within = self.sequence.within
        lately = f" within {format_duration(within)}" if within is not None else ""
        wanted = f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}{lately}"
        text = ", then ".join(step.words() for step in self.sequence.steps) + lately
        return SequenceCheck(f"{path}.sequence", wanted, slot, within, text)
