"""Sequences: for each step but the last, the times at which the steps so far were done and may yet be followed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from rules.checks.base import Feature
from rules.features import ANY_EVENT, NEVER, Selector

if TYPE_CHECKING:
    from rules import features as specs
    from state.event import Event
    from state.features.base import Caps, Counted

MOST_CANDIDATES: Final = 256


class Sequence(Feature):
    """State: [newest completion or None, candidates of step 0, of step 1, …], candidates ascending (ms).

    Any choice of events will do, so every time at which the steps so far were done is a candidate while the next
    step could still follow; where the next step has no `within`, the earliest is enough.
    """

    def __init__(self, spec: specs.Sequence, max_late_ms: int, caps: Caps) -> None:
        """Keep the definition; an event more than `max_late_ms` behind the customer's clock takes no part."""
        self.spec = spec
        self.steps = spec.steps
        self.last = len(spec.steps) - 1
        self.after = [step.after_ms or 0 for step in spec.steps]
        self.within = [NEVER if step.within_ms is None else step.within_ms for step in spec.steps]
        self.max_late_ms = max_late_ms
        self.caps = caps
        self._by_name: dict[str, list[tuple[int, Selector | None]]] = {}

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the state with the event taken by every step it can take."""
        ts = event.ts
        if now - ts > self.max_late_ms:
            return state
        # From the last step to the first, so that no event is followed by itself.
        for index, selector in self._by_name.get(event.name) or self._steps_of(event.name):
            if (selector is None or selector.matches(event.body)) and self._follows(state, index, ts):
                if state is None:
                    state = [None] + [[] for _ in range(self.last)]
                self._take(state, index, event, now)
        return state

    def read(self, state: list[Any] | None, t: int) -> tuple[int | None, int]:
        """Return the newest completion, which never changes by itself."""
        del t
        return (state[0] if state else None), NEVER

    def _steps_of(self, name: str) -> list[tuple[int, Selector | None]]:
        """Return the steps that an event of this name can take, each with the selector it has to match then."""
        found = self._by_name.get(name)
        if found is None:
            of = [step.selector for step in self.steps]
            found = [
                (index, None if of[index].unconditional else of[index])
                for index in range(self.last, -1, -1)
                if name in of[index].names or ANY_EVENT in of[index].names
            ]
            if len(self._by_name) < MOST_CANDIDATES:
                self._by_name[name] = found
        return found

    def _follows(self, state: list[Any] | None, index: int, ts: int) -> bool:
        if index == 0:
            return True
        if state is None:
            return False
        candidates: list[int] = state[index]
        if not candidates:
            return False
        last = ts - self.after[index]
        before = len(candidates) - 1 if candidates[-1] <= last else bisect_right(candidates, last) - 1
        return before >= 0 and candidates[before] >= ts - self.within[index]

    def _take(self, state: list[Any], index: int, event: Event, now: int) -> None:
        ts, boxed = event.ts, event.boxed_ts
        if index == self.last:
            if state[0] is None or state[0] < ts:
                state[0] = boxed
            return
        candidates: list[int] = state[index + 1]
        next_within_ms = self.within[index + 1]
        if next_within_ms == NEVER:
            if not candidates or ts < candidates[0]:
                candidates[:] = [boxed]
            return
        if not candidates or ts > candidates[-1]:
            candidates.append(boxed)
        else:
            place = bisect_left(candidates, boxed)
            if candidates[place] != ts:
                candidates.insert(place, boxed)
        over = now - next_within_ms - self.max_late_ms
        if candidates[0] < over:
            del candidates[: bisect_left(candidates, over)]
        if len(candidates) > MOST_CANDIDATES:
            del candidates[0]
            self.caps["sequence_candidates"] += 1


def count_sequences(slots: list[Any], counted: list[Counted], event: Event, now: int) -> int:
    """Update several sequences by an event; return the units that read one which it completed anew."""
    units = 0
    for one in counted:
        state = slots[one.slot]
        if state is None and not one.begins:
            continue
        completed = None if state is None else state[0]
        state = slots[one.slot] = one.feature.update(state, event, now)
        if state is not None and state[0] is not completed:
            units |= one.readers
    return units
