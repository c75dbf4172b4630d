"""What the demo has seen so far: how many customers stood where, week by week, and some of those who crossed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from rules.ruleset import Ruleset

CROSSINGS_A_WEEK = 3

_OWN_PLACE = 6
"""Segments of their own begin with other colours than the first ones of segmentations."""


class Line(NamedTuple):
    """One segment as the demo shows it; `name` is `own` or `segmentation.segment`.

    `place` chooses its colour: 0 is what a segmentation calls `otherwise`, the others count from 1.
    """

    name: str
    title: str
    place: int


class Group(NamedTuple):
    """A segmentation (everybody is in exactly one of its segments), or all segments of their own.

    The segments of a segmentation stand with the least important first: mostly, as customers come through them.
    """

    title: str
    exclusive: bool
    lines: Sequence[Line]


class Week(NamedTuple):
    """Where things stood at an instant (UTC ms), after so many events."""

    at_ms: int
    events: int
    sizes: Mapping[str, int]


class Story:
    """Collects weeks and crossings; each week it picks the crossings into segments that were not shown for longest."""

    def __init__(self, ruleset: Ruleset) -> None:
        """Begin before the first event."""
        self.groups = list(_groups(ruleset))
        self.weeks: list[Week] = []
        self.picked: list[dict[str, Any]] = []
        self._titles = {line.name: line.title for group in self.groups for line in group.lines}
        self._seen: dict[str, bytes] = {}
        self._shown: dict[str, int] = {}

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Note a change; the newest one into each segment is a candidate to be shown."""
        if move == "entered":
            self._seen[name] = value

    def week(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Close a week, and pick the crossings to show for it."""
        self.weeks.append(Week(at_ms, events, sizes))
        seen, self._seen = self._seen, {}
        crossings = {name: orjson.loads(value) for name, value in seen.items()}
        moved = [name for name, change in crossings.items() if change["seq"] > 1]
        moved.sort(key=lambda name: self._shown.get(name, -1))
        self.picked = [crossings[name] for name in moved[:CROSSINGS_A_WEEK]]
        self._shown |= dict.fromkeys(moved[:CROSSINGS_A_WEEK], len(self.weeks))

    def present(self, group: Group) -> list[Line]:
        """Return the group's segments that anybody was ever in."""
        return [line for line in group.lines if any(self.sizes_of(line.name))]

    def title(self, name: str) -> str:
        """Return what a person calls a segment."""
        return self._titles[name]

    def sizes_of(self, name: str) -> list[int]:
        """Return a segment's size in every week."""
        return [week.sizes.get(name, 0) for week in self.weeks]


def _groups(ruleset: Ruleset) -> Iterator[Group]:
    titles = {segment.key: segment.title for segment in ruleset.segments}
    inside: set[str] = set()
    for one in ruleset.segmentations:
        keys = [one.otherwise, *one.segments[::-1]]
        inside.update(keys)
        lines = [
            Line(f"{one.key}.{key}", titles.get(key) or key.replace("_", " ").capitalize(), place)
            for place, key in enumerate(keys)
        ]
        yield Group(one.title, True, lines)
    own = [segment for segment in ruleset.segments if segment.key not in inside]
    own_lines = [Line(segment.key, segment.title, _OWN_PLACE + place) for place, segment in enumerate(own)]
    if own:
        yield Group("On their own", False, own_lines)
