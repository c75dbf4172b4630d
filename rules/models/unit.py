"""Compiled models: a node among the units for each, and a unit for clusters that are a segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.checks.unit import Unit
from rules.features import ANY_EVENT, NEVER, Newest, Selector
from rules.models.definition import Clusters, Propensity, Value

if TYPE_CHECKING:
    from rules.checks.base import Customer, Level
    from rules.conditions.base import Binder
    from rules.models.definition import AnyModel

PREFIX = "model:"


def node_key(model: str) -> str:
    """Return the key of a model's node among the units: no segment has a colon in its key."""
    return PREFIX + model


class ModelUnit(Unit):
    """A model's node in the order of evaluation.

    It comes after the segments that its features ask about, and before what asks for its score. It has no level; what
    happens at it is `state.models.sampling`'s.

    `names` are the names of a vector's numbers. `newest` is the slot of the newest time of any event, from which
    silence is counted. `target` matches the events that a label is made of, None for kinds that have none.
    """

    def __init__(self, definition: AnyModel, binder: Binder) -> None:
        """Bind the features."""
        self.definition = definition
        self.model = definition.key
        super().__init__(node_key(definition.key), None, {})
        self.hash = definition.definition
        self.measures = [definition.features[key].compile(binder, key) for key in sorted(definition.features)]
        self.newest, _ = binder.slot(Newest(Selector((ANY_EVENT,))))
        self.on = frozenset(definition.sample.on)
        self.every_ms = definition.sample.every
        self.silent_for_ms = definition.sample.silent_for
        self.rescore_ms = definition.rescore
        self.within_ms = definition.target.within if isinstance(definition, Propensity | Value) else None
        self.target = definition.target.selector() if isinstance(definition, Propensity | Value) else None
        self.of = definition.target.of if isinstance(definition, Value) else None

    def samples_at(self, event: str) -> bool:
        """Return whether a sample is taken at events of this name."""
        return event in self.on or ANY_EVENT in self.on

    def read(self, customer: Customer, t: int) -> tuple[float, ...]:
        """Return the vector at instant `t` (ms)."""
        return tuple([number for measure in self.measures for number in measure.read(customer, t)])

    def evaluate(self, customer: Customer, level: Any, t: int) -> tuple[Any, int]:
        """Return no level: the engine steps models itself."""
        del customer, level, t
        return None, NEVER

    def explain(self, customer: Customer, old: Level | None, new: Level | None, t: int) -> list[dict[str, Any]]:
        """Yield nothing: a model is no segment."""
        del customer, old, new, t
        return []


class ClusterUnit(Unit):
    """A segmentation of discovered clusters: a customer is in none until the model has said one."""

    def __init__(self, definition: Clusters) -> None:
        """Keep whose clusters they are; `names` has the labels that the definition gives."""
        super().__init__(definition.key, definition.key, dict(definition.labels))

    def evaluate(self, customer: Customer, level: Any, t: int) -> tuple[Any, int]:
        """Return the level at instant `t`: what the model last said (the same object where nothing changes)."""
        said = customer.scores.get(self.key)
        if said is None:
            return None, NEVER
        return (level if level is not None and level[0] == said[0] else (str(said[0]), t)), NEVER

    def explain(self, customer: Customer, old: Level | None, new: Level | None, t: int) -> list[dict[str, Any]]:
        """Yield which cluster the model said."""
        del old, t
        said = customer.scores.get(self.key)
        version = None if said is None else said[1]
        value = None if new is None else new[0]
        named = "none" if value is None else self.names.get(value, value)
        text = f"nearest centre of {self.key} is {named}" + ("" if version is None else f" (version {version})")
        return [
            {
                "path": f"models.{self.key}",
                "holds": True,
                "value": value,
                "wanted": "the nearest centre",
                "text": text,
                "model": self.key,
                "version": version,
            }
        ]
