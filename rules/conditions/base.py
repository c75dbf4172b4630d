"""What every condition is: a schema that compiles to a check (`rules.checks`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import AfterValidator, BeforeValidator, Field

from rules.comparisons import Model, PathComparison, operators
from rules.features import ANY_EVENT, FeatureSpec, Selector
from rules.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.checks.base import Check, Feature


class Binder(Protocol):
    """What compiling a condition needs from its surroundings."""

    def slot(self, spec: FeatureSpec, *, full: bool = False) -> tuple[int, Feature]:
        """Return the index of the feature's state in a profile's slots, and the feature itself.

        `full`: of times, where the check is (False, NEVER) unless as many are kept as may be.
        """

    def unit(self, reference: str) -> tuple[int, str]:
        """Return the index of the unit that a segment reference names, and the segment's key."""

    def read_traits(self, names: set[str]) -> None:
        """Note that the unit being compiled reads these traits."""

    def read_id(self) -> None:
        """Note that the unit being compiled reads the customer's id."""

    def read_model(self, model: str) -> None:
        """Note that the unit being compiled reads what this model says."""

    def clusters(self, model: str, label: str) -> list[str]:
        """Return the ids of the model's clusters that go by a label: the label itself, and those that are called so."""


class Condition(Model):
    """A condition as a definitions file has it: a mapping with exactly one key."""

    def parts(self) -> Sequence[tuple[str, Condition]]:
        """Return the conditions inside, each with its path within this one."""
        return ()

    def references(self) -> Sequence[str]:
        """Return the segments that this condition itself asks about."""
        return ()

    def models(self) -> Sequence[str]:
        """Return the models that this condition itself asks."""
        return ()

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Return (path, text) of what can never or always hold here."""
        return ()

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check; `path` is where the condition stands, for explanations."""
        raise NotImplementedError


def event_names(value: Any) -> Any:
    """Refuse a list of event names that is empty, or that has the name for all of them."""
    if isinstance(value, list):
        if not value:
            message = 'names no event; write a name, a list of names, or "*"'
            raise ValueError(message)
        if ANY_EVENT in value:
            message = '"*" stands for every event and may not be in a list; write event: "*"'
            raise ValueError(message)
    return value


def _known_path(path: str) -> str:
    parse_path(path)
    return path


EventName = Annotated[str, Field(min_length=1)]
ListedName = Annotated[EventName, Field(json_schema_extra={"not": {"const": ANY_EVENT}})]
EventNames = Annotated[EventName | Annotated[list[ListedName], Field(min_length=1)], BeforeValidator(event_names)]
Path = Annotated[str, AfterValidator(_known_path)]
Where = dict[Path, PathComparison]


class EventMatch(Model):
    """Which events: by name, and by what is at their paths."""

    event: EventNames = Field(description='an event name, a list of names, or "*" for every event')
    where: Where = Field(default={}, description="what must be at paths of the event, path: comparison")

    def selector(self) -> Selector:
        """Return which events match, for a feature."""
        names = (self.event,) if isinstance(self.event, str) else tuple(sorted(set(self.event)))
        return Selector(names, frozen_where(self.where))

    def words(self) -> str:
        """Return the events in words."""
        names = self.event if isinstance(self.event, str) else " or ".join(self.event)
        names = "any event" if names == ANY_EVENT else names
        return f"{names} (where {', '.join(self.where)})" if self.where else names


def frozen_where(where: Mapping[str, PathComparison]) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    """Return a `where` as sorted tuples, fit for a feature's definition."""
    return tuple(
        (
            path,
            tuple(
                (operator, tuple(operand) if isinstance(operand, list) else operand)
                for operator, operand in operators(where[path]).items()
            ),
        )
        for path in sorted(where)
    )
