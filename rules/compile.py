"""Ruleset → units in one dependency order, the features they need, and who reads what."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rules.features import FeatureSpec, feature_key
from rules.membership import SegmentationUnit, SegmentUnit
from rules.models.definition import AnyModel, Clusters, is_segmentation
from rules.models.unit import ClusterUnit, ModelUnit, node_key
from rules.ruleset import Segment, Segmentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.checks.base import Feature
    from rules.checks.unit import Unit
    from rules.ruleset import Ruleset


class ClustersOf(NamedTuple):
    """The segmentation that a model's clusters are."""

    model: Clusters

    @property
    def key(self) -> str:
        """Return the segmentation's key, which is the model's."""
        return self.model.key


Definition = Segment | Segmentation | AnyModel | ClustersOf


class CompiledRuleset:
    """A ruleset made ready to evaluate. Sets of units are bit masks: bit i is unit i.

    `units` are in dependency order; `readers` (by slot), `trait_readers` (by a trait's name) and `dependents` (by unit)
    say which units must be evaluated again when that changes; a model's dependents are those that read what it says.
    `full_readers` (by slot) ask about times, and only whether there are as many as are kept at most. `id_readers` ask
    who the customer is.
    """

    def __init__(self, ruleset: Ruleset, make_feature: Callable[[FeatureSpec], Feature]) -> None:
        """Compile; the ruleset must have been checked (`rules.load`)."""
        self.ruleset = ruleset
        self.version = ruleset.version
        self.specs: list[FeatureSpec] = []
        self.features: list[Feature] = []
        self.readers: list[int] = []
        self.full_readers: list[int] = []
        self.trait_readers: dict[str, int] = {}
        self.id_readers = 0
        self.units: list[Unit] = []
        self.dependents: list[int] = []
        self._make_feature = make_feature
        self._slots: dict[int, int] = {}
        self._indexes: dict[str, int] = {}
        self._segments = {segment.key: segment for segment in ruleset.segments}
        self._models = {model.key: model for model in ruleset.models}
        for definition in unit_order(ruleset):
            self.dependents.append(0)
            unit = self._unit(definition)
            self._indexes[unit.key] = len(self.units)
            self.units.append(unit)
        self.all_units = (1 << len(self.units)) - 1

    def _unit(self, definition: Definition) -> Unit:
        match definition:
            case Segmentation():
                return self._segmentation(definition)
            case Segment():
                return self._segment(definition)
            case ClustersOf(model):
                self.read_model(model.key)
                return ClusterUnit(model)
            case _:
                return ModelUnit(definition, self)

    def _segment(self, segment: Segment) -> SegmentUnit:
        until = segment.until.compile(self, "until") if segment.until is not None else None
        return SegmentUnit(segment.key, segment.title, segment.when.compile(self, "when"), until, segment.min_stay or 0)

    def _segmentation(self, segmentation: Segmentation) -> SegmentationUnit:
        members = [self._segments[key] for key in segmentation.segments]
        names = {member.key: member.title for member in members}
        names[segmentation.otherwise] = segmentation.otherwise
        checks = [(member.key, member.when.compile(self, f"{member.key}.when")) for member in members]
        return SegmentationUnit(segmentation.key, names, checks, segmentation.otherwise)

    def slot(self, spec: FeatureSpec, *, full: bool = False) -> tuple[int, Feature]:
        """Return the slot and the feature of a spec, shared by all conditions that need the same."""
        key = feature_key(spec)
        index = self._slots.get(key)
        if index is None:
            index = self._slots[key] = len(self.specs)
            self.specs.append(spec)
            self.features.append(self._make_feature(spec))
            self.readers.append(0)
            self.full_readers.append(0)
        readers = self.full_readers if full else self.readers
        readers[index] |= 1 << len(self.units)
        return index, self.features[index]

    def unit(self, reference: str) -> tuple[int, str]:
        """Return the unit that a segment reference names, noting that the one being compiled depends on it."""
        unit_key, _, segment = reference.partition(".")
        index = self._indexes[unit_key]
        self.dependents[index] |= 1 << len(self.units)
        return index, segment or unit_key

    def read_traits(self, names: set[str]) -> None:
        """Note that the unit being compiled reads these traits."""
        for name in names:
            self.trait_readers[name] = self.trait_readers.get(name, 0) | 1 << len(self.units)

    def read_id(self) -> None:
        """Note that the unit being compiled reads the customer's id."""
        self.id_readers |= 1 << len(self.units)

    def read_model(self, model: str) -> None:
        """Note that the unit being compiled reads what this model says; one that is not there says nothing."""
        index = self._indexes.get(node_key(model))
        if index is not None:
            self.dependents[index] |= 1 << len(self.units)

    def clusters(self, model: str, label: str) -> list[str]:
        """Return the ids of the model's clusters that go by a label: the label itself, and those that are called so."""
        definition = self._models.get(model)
        labels = definition.labels if isinstance(definition, Clusters) else {}
        return [label, *(key for key, name in labels.items() if name == label)]


def unit_order(ruleset: Ruleset) -> list[Definition]:
    """Return segments of their own, segmentations and models so that each comes after what it asks about.

    Models that are a segmentation too stand twice: as the model, then as its clusters. Raises ValueError, whose text
    shows the cycle, where they ask about each other in a circle. What does not depend on each other keeps the order of
    its definition.
    """
    inside = {key: segmentation for segmentation in ruleset.segmentations for key in segmentation.segments}
    units: dict[str, Definition] = {s.key: s for s in ruleset.segments if s.key not in inside}
    units |= {segmentation.key: segmentation for segmentation in ruleset.segmentations}
    units |= {node_key(model.key): model for model in ruleset.models}
    units |= {model.key: ClustersOf(model) for model in ruleset.models if is_segmentation(model)}
    asks: dict[str, list[str]] = {key: [] for key in units}
    for segment in ruleset.segments:
        owner = inside[segment.key].key if segment.key in inside else segment.key
        for _, condition in segment.conditions():
            asks[owner] += [reference.partition(".")[0] for reference in condition.references()]
            asks[owner] += [node_key(model) for model in condition.models()]
    for model in ruleset.models:
        asks[node_key(model.key)] += [reference.partition(".")[0] for _, reference in model.references()]
        if is_segmentation(model):
            asks[model.key].append(node_key(model.key))
    order: dict[str, None] = {}
    for key in units:
        if key not in order:
            _visit(key, asks, order)
    return [units[key] for key in order]


def _visit(start: str, asks: dict[str, list[str]], order: dict[str, None]) -> None:
    """Put a unit into the order, after all that it asks about; with a stack of its own, however long the chain is."""
    path: dict[str, None] = {start: None}
    stack = [(start, iter(asks[start]))]
    while stack:
        key, needed = stack[-1]
        following = next((one for one in needed if one in path or (one in asks and one not in order)), None)
        if following is None:
            stack.pop()
            del path[key]
            order[key] = None
        elif following in path:
            circle = [*list(path)[list(path).index(following) :], following]
            what = "these ask about each other" if any(":" in one for one in circle) else "in_segment goes"
            message = f"{what} in a circle: {' → '.join(circle)}"
            raise ValueError(message)
        else:
            path[following] = None
            stack.append((following, iter(asks[following])))
