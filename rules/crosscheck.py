"""What no single definition shows: keys that clash, references that lead nowhere or in a circle, segmentations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.compile import unit_order
from rules.idle import idle_comparisons
from rules.ruleset import Ruleset
from rules.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rules.errors import Problem
    from rules.load import Section

    Place = Callable[[str, int, tuple[str | int, ...], str], Problem]


def cross_check(segments: Section, segmentations: Section, place: Place) -> tuple[list[Problem], list[Problem]]:
    """Return (problems, warnings) between definitions; those that did not validate take part by their key alone."""
    check = _CrossCheck(segments, segmentations, place)
    problems = [*check.keys(), *check.members(), *check.otherwise(), *check.references()]
    if not problems and len(segments.valid) == len(segments.raw) and len(segmentations.valid) == len(segmentations.raw):
        problems += check.circles()
    return problems, list(check.warnings())


def _key(raw: Any) -> str | None:
    key = raw.get("key") if isinstance(raw, dict) else None
    return key if isinstance(key, str) else None


class _CrossCheck:
    def __init__(self, segments: Section, segmentations: Section, place: Place) -> None:
        self.segments = segments
        self.segmentations = segmentations
        self.place = place
        self.segment_keys = {key for raw in segments.raw if (key := _key(raw))}
        self.segmentation_keys = {key for raw in segmentations.raw if (key := _key(raw))}
        self.inside: dict[str, str] = {}
        for segmentation in segmentations.valid.values():
            for key in segmentation.segments:
                self.inside.setdefault(key, segmentation.key)

    def keys(self) -> Iterator[Problem]:
        first: dict[str, Problem] = {}
        for name, section in (("segments", self.segments), ("segmentations", self.segmentations)):
            for index, raw in enumerate(section.raw):
                key = _key(raw)
                if key is None:
                    continue
                here = self.place(name, index, ("key",), "")
                if key in first:
                    there = f"{first[key].file}:{first[key].line}"
                    yield self.place(name, index, ("key",), f"{key!r} is taken already ({there}); choose another")
                first.setdefault(key, here)

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

    def _wrong_reference(self, reference: str) -> str | None:
        owner, dot, member = reference.partition(".")
        if not dot:
            if reference in self.inside:
                return f"{reference!r} is inside a segmentation; write {self.inside[reference]}.{reference}"
            if reference in self.segmentation_keys:
                return f"{reference!r} is a segmentation; write {self._members_of(reference)}"
            return None if reference in self.segment_keys else self._nowhere(reference, self.segment_keys)
        if owner not in self.segmentation_keys:
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
            segments=list(self.segments.valid.values()), segmentations=list(self.segmentations.valid.values())
        )
        try:
            unit_order(ruleset)
        except ValueError as error:
            start = str(error).partition(": ")[2].partition(" → ")[0]
            for name, section in (("segments", self.segments), ("segmentations", self.segmentations)):
                for index, definition in section.valid.items():
                    if definition.key == start:
                        yield self.place(name, index, ("key",), f"{error}; take one of these in_segment out")

    def warnings(self) -> Iterator[Problem]:
        for index, segment in self.segments.valid.items():
            for path, condition in segment.conditions():
                for within, text in (*condition.warnings(), *idle_comparisons(condition)):
                    yield self.place("segments", index, steps(f"{path}.{within}"), f"warning: {text}")


def steps(path: str) -> tuple[str | int, ...]:
    """Return the steps of a condition's path: `when.all[0].did` → when, all, 0, did."""
    found: list[str | int] = []
    for part in path.split("."):
        name, *indexes = part.replace("]", "").split("[")
        found += [name, *map(int, indexes)]
    return tuple(found)
