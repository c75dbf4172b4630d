"""A customer explained: each segment, in or out, every condition as it is now, and what comes with no further event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rules.dates import format_ms
from rules.features import NEVER
from rules.leaves import leaves
from rules.membership import SegmentationUnit, SegmentUnit
from rules.models.unit import ModelUnit
from streams.changes import size_name
from streams.customer import LAST_MS, min_stay, why_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from rules.checks.base import Level
    from rules.checks.unit import Unit
    from state.change import Change
    from state.engine import Engine
    from state.profile import Profile

MOST_STEPS = 1_000
"""Timers that are followed into the future: models with `rescore` have some for ever."""


class Named(NamedTuple):
    """A segment that a ruleset has: `unit` is the index of its unit."""

    unit: int
    segment: str
    segmentation: str | None
    title: str

    @property
    def name(self) -> str:
        """Return the segment's full name: its key, or `segmentation.segment`."""
        return self.segment if self.segmentation is None else f"{self.segmentation}.{self.segment}"


class Ahead(NamedTuple):
    """The next change of each segment by its name; `until_ms` is up to when there is no other, None: for ever."""

    changes: Mapping[str, Change]
    until_ms: int | None


def segments_of(engine: Engine, levels: Mapping[int, Level] | None = None) -> list[Named]:
    """Return the ruleset's segments, own ones first, each kind by name; `levels` may add clusters with no label."""
    found = []
    for index, unit in enumerate(engine.units):
        if not isinstance(unit, ModelUnit):
            level = levels.get(index) if levels else None
            titles = unit.names if level is None else {level[0]: level[0], **unit.names}
            found += [Named(index, key, unit.segmentation, title) for key, title in titles.items()]
    return sorted(found, key=lambda one: (one.segmentation is not None, one.name))


def meant(segments: Sequence[Named], key: str) -> list[Named]:
    """Return the segments that a key means: a full name, else a segmentation's members, else one of its segments."""
    exact = [one for one in segments if one.name == key]
    return (
        exact or [one for one in segments if one.segmentation == key] or [one for one in segments if one.segment == key]
    )


def ahead(engine: Engine, profile: Profile, names: Collection[str], most: int = MOST_STEPS) -> Ahead:
    """Return what comes next for these segments with no further event. The profile is moved on: give a copy."""
    changes: dict[str, Change] = {}
    for _ in range(most):
        if profile.due >= min(NEVER, LAST_MS) or all(name in changes for name in names):
            return Ahead(changes, None)
        for change in engine.advance(profile, profile.due + 1):
            changes.setdefault(size_name(change), change)
    return Ahead(changes, profile.due)


def explain(
    engine: Engine, profile: Profile, future: Ahead | None, segments: Sequence[Named], t: int
) -> dict[str, Any]:
    """Return a customer explained at instant `t` (ms), ready for JSON.

    `t` lies between the profile's clock and its due instant. `future` is None where the customer has yet to come under
    the engine's ruleset: then what comes next is not known.
    """
    until_ms = None if future is None else future.until_ms
    return {
        "customer_id": profile.customer,
        "at": format_ms(t),
        "seq": profile.seq,
        "ruleset": profile.version,
        "active_ruleset": engine.version,
        "sure_until": None if until_ms is None else format_ms(until_ms),
        "segments": [_explained(engine, profile, future, one, t) for one in segments],
    }


def _explained(engine: Engine, profile: Profile, future: Ahead | None, one: Named, t: int) -> dict[str, Any]:
    unit, level = engine.units[one.unit], profile.levels.get(one.unit)
    inside = level is not None and level[0] == one.segment
    deciding = {entry["path"] for entry in _deciding(unit, profile, level, one.segment, t)}
    conditions = _conditions(unit, profile, level, one.segment, t)
    return {
        "segment": one.segment,
        "segmentation": one.segmentation,
        "name": one.title,
        "in": inside,
        "since": format_ms(level[1]) if inside and level is not None else None,
        "because": [{**entry, "decides": entry["path"] in deciding} for entry in conditions],
        "next": _next(future.changes.get(one.name) if future is not None else None),
    }


def _next(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"change": change.change, "at": format_ms(change.at), "other": change.other, "because": change.because}


def _conditions(unit: Unit, profile: Profile, level: Level | None, segment: str, t: int) -> Iterator[dict[str, Any]]:
    """Yield each condition that has a say in whether they are in the segment."""
    match unit:
        case SegmentUnit():
            yield from leaves(unit.when, profile, t)
            if unit.until is not None:
                yield from leaves(unit.until, profile, t)
            if unit.min_stay_ms and level is not None:
                yield min_stay(unit, level, t)
        case SegmentationUnit():
            # what stands before it wins over it, so that has a say too
            for key, check in unit.checks:
                yield from leaves(check, profile, t)
                if key == segment:
                    break
        case _:
            yield from unit.explain(profile, None, level, t)


def _deciding(unit: Unit, profile: Profile, level: Level | None, segment: str, t: int) -> Iterator[dict[str, Any]]:
    """Yield the conditions because of which they are in the segment, or not."""
    match unit:
        case SegmentUnit() if level is not None:
            yield from why_in(unit, profile, level, t)
        case SegmentUnit():
            over = unit.until is not None and unit.when.evaluate(profile, t)[0]
            yield from (unit.until if over and unit.until is not None else unit.when).explain(profile, t)
        case SegmentationUnit():
            for key, check in unit.checks:
                if key == segment or check.evaluate(profile, t)[0]:
                    yield from check.explain(profile, t)
                    return
            for _, check in unit.checks:
                yield from check.explain(profile, t)
        case _:
            yield from unit.explain(profile, None, level, t)
