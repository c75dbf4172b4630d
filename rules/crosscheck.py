"""What no single definition shows: keys that clash, references that lead nowhere or in a circle, segmentations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rules.compile import unit_order
from rules.conditions.scores import Cluster
from rules.idle import idle_comparisons
from rules.models.definition import CLUSTER_PATTERN
from rules.models.unit import node_key
from rules.ruleset import Ruleset
from rules.wording import nearest

_CLUSTER = re.compile(CLUSTER_PATTERN)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rules.errors import Problem
    from rules.load import Section

    Place = Callable[[str, int, tuple[str | int, ...], str], Problem]


def cross_check(sections: Mapping[str, Section], place: Place) -> tuple[list[Problem], list[Problem]]:
    """Return (problems, warnings) between definitions; those that did not validate take part by their key alone."""
    check = _CrossCheck(sections, place)
    problems = [*check.keys(), *check.members(), *check.otherwise(), *check.references(), *check.asked_models()]
    if not problems and all(len(section.valid) == len(section.raw) for section in sections.values()):
        problems += check.circles()
    return problems, list(check.warnings())


def _key(raw: Any) -> str | None:
    key = raw.get("key") if isinstance(raw, dict) else None
    return key if isinstance(key, str) else None


class _CrossCheck:
    def __init__(self, sections: Mapping[str, Section], place: Place) -> None:
        self.segments = segments = sections["segments"]
        self.segmentations = segmentations = sections["segmentations"]
        self.models = models = sections["models"]
        self.place = place
        self.model_keys = {key for raw in models.raw if (key := _key(raw))}
        self.cluster_keys = {
            key
            for raw in models.raw
            if (key := _key(raw)) and raw.get("kind") == "clusters" and raw.get("as_segmentation") is True
        }
        self.segment_keys = {key for raw in segments.raw if (key := _key(raw))}
        self.segmentation_keys = {key for raw in segmentations.raw if (key := _key(raw))}
        self.inside: dict[str, str] = {}
        for segmentation in segmentations.valid.values():
            for key in segmentation.segments:
                self.inside.setdefault(key, segmentation.key)

    def keys(self) -> Iterator[Problem]:
        first: dict[tuple[str, str], Problem] = {}
        for name, section in (
            ("segments", self.segments),
            ("segmentations", self.segmentations),
            ("models", self.models),
        ):
            for index, raw in enumerate(section.raw):
                key = _key(raw)
                if key is None:
                    continue
                here = self.place(name, index, ("key",), "")
                # clusters that are a segmentation stand among segments too
                spaces = ["models"] if name == "models" else ["segments"]
                if name == "models" and key in self.cluster_keys:
                    spaces.append("segments")
                taken = next((first[space, key] for space in spaces if (space, key) in first), None)
                if taken is not None:
                    there = f"{taken.file}:{taken.line}"
                    yield self.place(name, index, ("key",), f"{key!r} is taken already ({there}); choose another")
                for space in spaces:
                    first.setdefault((space, key), here)

    def members(self) -> Iterator[Problem]:
        owners: dict[str, str] = {}
        for index, segmentation in self.segmentations.valid.items():
            for position, key in enumerate(segmentation.segments):
                at = ("segments", position)
                if key not in self.segment_keys:
                    yield self.place(
                        "segmentations", index, at, f"no segment has the key {key!r}; define it under segments"
                    )
                elif key in owners:
                    text = f"{key!r} stands in the segmentation {owners[key]!r} already; a segment stands in one, once"
                    yield self.place("segmentations", index, at, text)
                owners.setdefault(key, segmentation.key)
        for index, segment in self.segments.valid.items():
            for word in ("until", "min_stay"):
                if segment.key in owners and getattr(segment, word) is not None:
                    text = f"a segment inside a segmentation ({owners[segment.key]}) takes no {word}; remove it"
                    yield self.place("segments", index, (word,), text)

    def otherwise(self) -> Iterator[Problem]:
        for index, segmentation in self.segmentations.valid.items():
            if segmentation.otherwise in self.segment_keys:
                text = f"{segmentation.otherwise!r} is a segment of its own; choose a key that no segment has"
                yield self.place("segmentations", index, ("otherwise",), text)

    def references(self) -> Iterator[Problem]:
        for index, segment in self.segments.valid.items():
            for path, condition in segment.conditions():
                for reference in condition.references():
                    why = self._wrong_reference(reference)
                    if why:
                        yield self.place("segments", index, (*steps(path), "in_segment"), why)
        for index, model in self.models.valid.items():
            for feature, reference in model.references():
                why = self._wrong_reference(reference)
                if why:
                    yield self.place("models", index, ("features", feature, "in_segment"), why)

    def asked_models(self) -> Iterator[Problem]:
        """Yield what asks a model for what its kind does not say."""
        kinds = {model.key: model.kind for model in self.models.valid.values()}
        for index, at, asks, key in self._asks():
            kind = kinds.get(key)
            if kind is not None and (kind == "clusters") is not (asks == "cluster"):
                remedy = "cluster: {model, is: c1}" if kind == "clusters" else "score: {model, gte: 0.5}"
                yield self.place("segments", index, at, f"{key!r} is a model of kind {kind}; ask it by {remedy}")

    def unknown_models(self) -> Iterator[Problem]:
        """Yield what asks a model that is not there: it never holds."""
        for index, at, _, key in self._asks():
            if key not in self.model_keys:
                near = nearest(key, sorted(self.model_keys))
                remedy = f"did you mean {near}?" if near else "define it under models"
                text = f"warning: never holds: no model has the key {key!r}; {remedy}"
                yield self.place("segments", index, at, text)

    def unknown_clusters(self) -> Iterator[Problem]:
        """Yield what asks for a cluster by a name that the model does not give."""
        models = {model.key: model for model in self.models.valid.values() if model.kind == "clusters"}
        for index, segment in self.segments.valid.items():
            for path, condition in segment.conditions():
                if not isinstance(condition, Cluster) or condition.cluster.model not in models:
                    continue
                name, labels = condition.cluster.is_, models[condition.cluster.model].labels.values()
                if name not in labels and not _CLUSTER.fullmatch(name):
                    known = ", ".join(["c1", *sorted(labels)])
                    text = (
                        f"warning: never holds: no cluster is called {name!r}; write its key or its label, like {known}"
                    )
                    yield self.place("segments", index, (*steps(path), "cluster", "is"), text)

    def _asks(self) -> Iterator[tuple[int, tuple[str | int, ...], str, str]]:
        """Yield (segment, path, score or cluster, model) of each condition that asks a model."""
        for index, segment in self.segments.valid.items():
            for path, condition in segment.conditions():
                asks = "cluster" if isinstance(condition, Cluster) else "score"
                for key in condition.models():
                    yield index, (*steps(path), asks, "model"), asks, key

    def _wrong_reference(self, reference: str) -> str | None:
        owner, dot, member = reference.partition(".")
        if owner in self.cluster_keys:
            if _CLUSTER.fullmatch(member):
                return None
            return f"{owner!r} is a segmentation of clusters; write {owner}.c1, or another of its clusters"
        if not dot:
            if reference in self.inside:
                return f"{reference!r} is inside a segmentation; write {self.inside[reference]}.{reference}"
            if reference in self.segmentation_keys:
                return f"{reference!r} is a segmentation; write {self._members_of(reference)}"
            return None if reference in self.segment_keys else self._nowhere(reference, self.segment_keys)
        if owner not in self.segmentation_keys:
            if owner in self.model_keys:
                return f"{owner!r} is a model and no segmentation; write as_segmentation: true there (kind clusters)"
            return self._nowhere(owner, self.segmentation_keys)
        for segmentation in self.segmentations.valid.values():
            if segmentation.key == owner and member not in {*segmentation.segments, segmentation.otherwise}:
                known = ", ".join([*segmentation.segments, segmentation.otherwise])
                return f"{owner} has no segment {member!r}; it has {known}"
        return None

    def _members_of(self, owner: str) -> str:
        for segmentation in self.segmentations.valid.values():
            if segmentation.key == owner:
                return " or ".join(f"{owner}.{key}" for key in (*segmentation.segments, segmentation.otherwise))
        return f"{owner}. and one of its segments"

    def _nowhere(self, key: str, known: set[str]) -> str:
        near = nearest(key, sorted(known))
        kind = "segment" if known is self.segment_keys else "segmentation"
        return f"no {kind} has the key {key!r}; " + (f"did you mean {near}?" if near else "define it, or remove this")

    def circles(self) -> Iterator[Problem]:
        ruleset = Ruleset(
            segments=list(self.segments.valid.values()),
            segmentations=list(self.segmentations.valid.values()),
            models=list(self.models.valid.values()),
        )
        try:
            unit_order(ruleset)
        except ValueError as error:
            what = "in_segment" if str(error).startswith("in_segment") else "references"
            start = str(error).partition(": ")[2].partition(" → ")[0]
            sections = (("segments", self.segments), ("segmentations", self.segmentations), ("models", self.models))
            for name, section in sections:
                for index, definition in section.valid.items():
                    if start in (definition.key, node_key(definition.key)):
                        yield self.place(name, index, ("key",), f"{error}; take one of these {what} out")
                        return

    def warnings(self) -> Iterator[Problem]:
        for index, segment in self.segments.valid.items():
            for path, condition in segment.conditions():
                for within, text in (*condition.warnings(), *idle_comparisons(condition)):
                    yield self.place("segments", index, steps(f"{path}.{within}"), f"warning: {text}")
        yield from self.unknown_models()
        yield from self.unknown_clusters()
        for index, model in self.models.valid.items():
            for at, text in model.warnings():
                yield self.place("models", index, at, f"warning: {text}")


def steps(path: str) -> tuple[str | int, ...]:
    """Return the steps of a condition's path: `when.all[0].did` → when, all, 0, did."""
    found: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.replace("]", "").split("[")
        found += [name, *map(int, indexes)]
    return tuple(found)
