"""What is known of one customer: their segments, since when, why, and what comes next if nothing more happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rules.durations import format_duration
from rules.features import NEVER
from rules.membership import SegmentUnit
from streams.changes import full_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.unit import Unit
    from state.change import Change
    from state.engine import Engine
    from state.profile import Profile

LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z: no date after it can be written."""


class Membership(NamedTuple):
    """One segment that the customer is in; `since_ms` is UTC milliseconds, `because` the conditions that decide."""

    name: str
    title: str
    since_ms: int
    because: Sequence[dict[str, Any]]


def memberships(engine: Engine, profile: Profile, t: int) -> list[Membership]:
    """Return the customer's segments with what holds of them at `t` (ms), own ones first, each kind by name.

    `t` lies between the profile's clock and its due instant: in between nothing changes by itself.
    """
    found = []
    for index, level in profile.levels.items():
        unit = engine.units[index]
        name = full_name(unit.segmentation, level[0])
        because = why_in(unit, profile, level, t)
        title = unit.names.get(level[0], level[0])  # the ruleset they stand under may have had other segments
        found.append((unit.segmentation is not None, Membership(name, title, level[1], because)))
    return [membership for _, membership in sorted(found, key=lambda item: (item[0], item[1].name))]


def next_changes(engine: Engine, profile: Profile) -> list[Change]:
    """Return the changes that come next with no further event, all of one instant; none where none ever come.

    Timers that find nothing changed are passed over. The profile is moved on to that instant: give a copy.
    """
    while profile.due < min(NEVER, LAST_MS):
        changes = engine.advance(profile, profile.due + 1)
        if changes:
            return changes
    return []


def why_in(unit: Unit, profile: Profile, level: tuple[str, int], t: int) -> list[dict[str, Any]]:
    """Return the conditions that keep them on this level of the unit at `t` (ms)."""
    if isinstance(unit, SegmentUnit) and not unit.when.evaluate(profile, t)[0]:
        return _why_still(unit, profile, level, t)
    return list(unit.explain(profile, None, level, t))


def _why_still(unit: SegmentUnit, profile: Profile, level: tuple[str, int], t: int) -> list[dict[str, Any]]:
    """Return why somebody is still in a segment whose `when` no longer holds."""
    if unit.until is not None and not unit.until.evaluate(profile, t)[0]:
        return list(unit.until.explain(profile, t))
    return [min_stay(unit, level, t)]


def min_stay(unit: SegmentUnit, level: tuple[str, int], t: int) -> dict[str, Any]:
    """Return the entry of `because` that says whether they must stay: for how long they have been in, and must be."""
    stayed_ms = t - level[1]
    text = f"stays at least {format_duration(unit.min_stay_ms)} ({format_duration(stayed_ms)})"
    holds, wanted = stayed_ms < unit.min_stay_ms, f"lt {unit.min_stay_ms}"
    return {"path": "min_stay", "holds": holds, "value": stayed_ms, "wanted": wanted, "text": text}
