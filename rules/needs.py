"""What a condition needs: which features, traits, scores and segments it reads, and how to say that in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, assert_never

from rules import features
from rules.checks.base import Feature
from rules.comparisons import describe
from rules.durations import format_duration
from rules.features import ANY_EVENT, FeatureSpec, Selector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.conditions import Condition


@dataclass
class Needs:
    """What one or more conditions read. Compiling them with this as their binder fills it; each thing stands once."""

    specs: list[FeatureSpec] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    traits: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, *conditions: Condition | None) -> Needs:
        """Return what these conditions read (None reads nothing)."""
        needs = cls()
        for condition in conditions:
            if condition is not None:
                condition.compile(needs, "")
        return needs

    def slot(self, spec: FeatureSpec, *, full: bool = False) -> tuple[int, Feature]:
        """Note a feature."""
        del full
        _note(self.specs, spec)
        return self.specs.index(spec), Feature()

    def unit(self, reference: str) -> tuple[int, str]:
        """Note a segment."""
        _note(self.segments, reference)
        return 0, reference

    def read_traits(self, names: set[str]) -> None:
        """Note traits."""
        for name in sorted(names):
            _note(self.traits, name)

    def read_id(self) -> None:
        """Note nothing: everybody has an id."""

    def read_model(self, model: str) -> None:
        """Note a model."""
        _note(self.models, model)

    def clusters(self, model: str, label: str) -> list[str]:
        """Return the label."""
        del model
        return [label]

    def words(self) -> Iterator[str]:
        """Yield what is needed, in words, features first."""
        yield from map(describe_feature, self.specs)
        if self.traits:
            yield f"the traits {', '.join(self.traits)}" if len(self.traits) > 1 else f"the trait {self.traits[0]}"
        yield from (f"what the model {model} says" for model in self.models)
        yield from (f"whether in {segment}" for segment in self.segments)


def _note(things: list[Any], thing: Any) -> None:
    if thing not in things:
        things.append(thing)


def describe_feature(spec: FeatureSpec) -> str:
    """Return in words what is kept for a feature."""
    match spec:
        case features.Newest(selector):
            return f"newest time of {_events(selector)}"
        case features.Oldest(selector):
            return f"oldest time of {_events(selector)}"
        case features.Count(selector):
            return f"number of {_events(selector)}"
        case features.NewestTimes(selector, keep, within_ms):
            return f"newest {keep} times of {_events(selector)} within {format_duration(within_ms)}"
        case features.CountWithin(selector, within_ms):
            return f"times of {_events(selector)} within {format_duration(within_ms)}"
        case features.Total(selector, of, values, within_ms):
            lately = "" if within_ms is None else f" within {format_duration(within_ms)}"
            return f"{_KEPT[values, within_ms is None]} {of} over {_events(selector)}{lately}"
        case features.Sequence(steps):
            return f"times of the steps {' → '.join(_events(step.selector) for step in steps)}"
        case _:
            assert_never(spec)


_KEPT = {
    ("numbers", True): "count, sum, least and greatest of",
    ("scalars", True): "first and last of",
    ("distinct", True): "distinct values of",
    ("numbers", False): "values of",
    ("scalars", False): "values of",
    ("distinct", False): "distinct values of",
}


def _events(selector: Selector) -> str:
    names = "any event" if ANY_EVENT in selector.names else " or ".join(selector.names)
    if selector.unconditional:
        return names
    tests = (f"{path} {describe(_thawed(ops))}" for path, ops in selector.where)
    return f"{names} where {' and '.join(tests)}"


def _thawed(ops: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return {operator: list(operand) if isinstance(operand, tuple) else operand for operator, operand in ops}
