"""An event's way to the features that count it, made ready by the event's name.

Most events are counted by a few features of the two simplest kinds, which are dealt with together. Who reads a
sequence looks at it again only where it was completed anew, and who asks for so many times or more only once there are
so many: what an event cannot have changed is not evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.features import ANY_EVENT, selectors
from state.features.base import Counted
from state.features.sequence import Sequence, count_sequences
from state.features.times import Newest, NewestTimes, count_newest, count_times

if TYPE_CHECKING:
    from rules.compile import CompiledRuleset
    from rules.features import Selector
    from state.event import Event


class Plan:
    """What counts the events of one name.

    `always` are the units that read what is counted whatever the event holds: `newest` (slots), `times`, and those of
    `others` with no selector to ask.
    """

    __slots__ = ("always", "newest", "others", "sequences", "times")

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.always = 0
        self.newest: list[int] = []
        self.times: list[Counted] = []
        self.sequences: list[Counted] = []
        self.others: list[Counted] = []


class Counting:
    """The features of a compiled ruleset, by event name."""

    def __init__(self, compiled: CompiledRuleset) -> None:
        """Make a plan for each name that the ruleset knows, and one for all others."""
        slots: dict[str, set[int]] = {ANY_EVENT: set()}
        for slot, spec in enumerate(compiled.specs):
            for selector in selectors(spec):
                for name in selector.names:
                    slots.setdefault(name, set()).add(slot)
        everywhere = slots[ANY_EVENT]
        self._plans: dict[str, Plan] = {
            name: _plan(compiled, name, sorted(own | everywhere)) for name, own in slots.items()
        }
        self._others: Plan = self._plans[ANY_EVENT]

    def count(self, slots: list[Any], event: Event, now: int) -> int:
        """Count an event, evaluated at instant `now` (ms); return the units whose truth it may have changed."""
        plan = self._plans.get(event.name)
        if plan is None:
            plan = self._others
        units = plan.always
        if plan.newest:
            count_newest(slots, plan.newest, event)
        if plan.times:
            units |= count_times(slots, plan.times, event, now)
        if plan.sequences:
            units |= count_sequences(slots, plan.sequences, event, now)
        for one in plan.others:
            matches = one.matches
            if matches is None or matches(event.body):
                slots[one.slot] = one.feature.update(slots[one.slot], event, now)
                units |= one.readers
        return units


def _plan(compiled: CompiledRuleset, name: str, slots: list[int]) -> Plan:
    """Return the plan of a name, which the features of these slots count."""
    plan = Plan()
    for slot in slots:
        feature, wanted, readers = compiled.features[slot], selectors(compiled.specs[slot]), compiled.readers[slot]
        one = Counted(slot, feature, readers, compiled.full_readers[slot])
        if isinstance(feature, Sequence):
            one.begins = _may_match(wanted[0], name)
            plan.sequences.append(one)
        elif not wanted[0].unconditional:
            one.matches = wanted[0].matches
            one.readers |= one.full_readers
            plan.others.append(one)
        else:
            plan.always |= readers
            if isinstance(feature, Newest):
                plan.newest.append(slot)
            elif isinstance(feature, NewestTimes):
                one.within_ms, one.keep = feature.within_ms, feature.keep
                plan.times.append(one)
            else:
                one.readers = 0
                plan.others.append(one)
    return plan


def _may_match(selector: Selector, name: str) -> bool:
    return name in selector.names or ANY_EVENT in selector.names
