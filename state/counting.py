"""An event's way to the features that count it, made ready by the event's name.

Most events are counted by a few features of the two simplest kinds, which are dealt with together. Who reads a
sequence looks at it again only where it was completed anew, and who asks for so many times or more only once there are
so many: what an event cannot have changed is not evaluated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rules.features import ANY_EVENT, selectors
from state.features.sequence import Sequence
from state.features.times import Newest, NewestTimes, count_newest, count_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.compile import CompiledRuleset
    from rules.features import Selector
    from state.event import Event


class Plan(NamedTuple):
    """What counts the events of one name; sets of units are bit masks.

    `always` are the units that read what is counted whatever the event holds: `newest` (slots), `times` (slot, feature,
    window in ms, number kept, and the units that ask only whether so many are), and those of `others` with no selector
    to ask. `sequences` have (slot, update, whether such an event can be the first step, readers), `others` (slot,
    update, `matches` or None, readers).
    """

    always: int
    newest: tuple[int, ...]
    times: tuple[tuple[int, NewestTimes, int, int, int], ...]
    sequences: tuple[tuple[int, Callable[..., Any], bool, int], ...]
    others: tuple[tuple[int, Callable[..., Any], Callable[..., bool] | None, int], ...]


class Counting:
    """The features of a compiled ruleset, by event name."""

    def __init__(self, compiled: CompiledRuleset) -> None:
        """Make a plan for each name that the ruleset knows, and one for all others."""
        names = {name for spec in compiled.specs for selector in selectors(spec) for name in selector.names}
        self._plans = {name: _plan(compiled, name) for name in names}
        self._others = self._plans.get(ANY_EVENT) or _plan(compiled, ANY_EVENT)

    def count(self, slots: list[Any], event: Event, now: int) -> int:
        """Count an event, evaluated at instant `now` (ms); return the units whose truth it may have changed."""
        plan: Plan = self._plans.get(event.name, self._others)
        units, newest, times, sequences, others = plan
        if newest:
            count_newest(slots, newest, event.ts)
        if times:
            units |= count_times(slots, times, event, now)
        for slot, update, begins, readers in sequences:
            state = slots[slot]
            if state is not None or begins:
                completed = state[0] if state is not None else None
                state = slots[slot] = update(state, event, now)
                if state is not None and state[0] != completed:
                    units |= readers
        for slot, update, matches, readers in others:
            if matches is None or matches(event.body):
                slots[slot] = update(slots[slot], event, now)
                units |= readers
        return units


def _plan(compiled: CompiledRuleset, name: str) -> Plan:
    always = 0
    newest: list[int] = []
    times: list[tuple[int, NewestTimes, int, int, int]] = []
    sequences: list[tuple[int, Callable[..., Any], bool, int]] = []
    others: list[tuple[int, Callable[..., Any], Callable[..., bool] | None, int]] = []
    for slot, (spec, feature) in enumerate(zip(compiled.specs, compiled.features, strict=True)):
        wanted, readers = selectors(spec), compiled.readers[slot]
        if not any(_may_match(selector, name) for selector in wanted):
            continue
        if isinstance(feature, Sequence):
            sequences.append((slot, feature.update, _may_match(wanted[0], name), readers))
        elif not wanted[0].unconditional:
            others.append((slot, feature.update, wanted[0].matches, readers | compiled.full_readers[slot]))
        else:
            always |= readers
            if isinstance(feature, Newest):
                newest.append(slot)
            elif isinstance(feature, NewestTimes):
                times.append((slot, feature, feature.within_ms, feature.keep, compiled.full_readers[slot]))
            else:
                others.append((slot, feature.update, None, 0))
    return Plan(always, tuple(newest), tuple(times), tuple(sequences), tuple(others))


def _may_match(selector: Selector, name: str) -> bool:
    return name in selector.names or ANY_EVENT in selector.names
