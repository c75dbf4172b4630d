"""Sequences: for each step but the last, the times at which the steps so far were done and may yet be followed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any, Final

from rules.features import ANY_EVENT, NEVER

if TYPE_CHECKING:
    from rules import features as specs
    from rules.features import Selector
    from state.event import Event
    from state.features.base import Caps

MOST_CANDIDATES: Final = 256


class Sequence:
    """State: [newest completion or None, candidates of step 0, of step 1, …], candidates ascending (ms).

    Any choice of events will do, so every time at which the steps so far were done is a candidate while the next
    step could still follow; where the next step has no `within`, the earliest is enough.
    """

    def __init__(self, spec: specs.Sequence, max_late_ms: int, caps: Caps) -> None:
        """Keep the definition; an event more than `max_late_ms` behind the customer's clock takes no part."""
        self.spec = spec
        self.steps = spec.steps
        self.last = len(spec.steps) - 1
        self.max_late_ms = max_late_ms
        self.caps = caps
        self._by_name: dict[str, list[tuple[int, Selector | None]]] = {}

    def update(self, state: list[Any] | None, event: Event, now: int) -> list[Any] | None:
        """Return the state with the event taken by every step it can take."""
        if now - event.ts > self.max_late_ms:
            return state
        # From the last step to the first, so that no event is followed by itself.
        for index, selector in self._by_name.get(event.name) or self._steps_of(event.name):
            if (selector is None or selector.matches(event.body)) and self._follows(state, index, event.ts):
                state = state or [None] + [[] for _ in range(self.last)]
                self._take(state, index, event.ts, now)
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
        if not state:
            return False
        step, candidates = self.steps[index], state[index]
        before = bisect_right(candidates, ts - (step.after_ms or 0)) - 1
        return before >= 0 and (step.within_ms is None or candidates[before] >= ts - step.within_ms)

    def _take(self, state: list[Any], index: int, ts: int, now: int) -> None:
        if index == self.last:
            state[0] = ts if state[0] is None else max(state[0], ts)
            return
        candidates, next_within_ms = state[index + 1], self.steps[index + 1].within_ms
        if next_within_ms is None:
            if not candidates or ts < candidates[0]:
                candidates[:] = [ts]
            return
        if not candidates or ts > candidates[-1]:
            candidates.append(ts)
        elif candidates[place := bisect_left(candidates, ts)] != ts:
            candidates.insert(place, ts)
        over = now - next_within_ms - self.max_late_ms
        if candidates[0] < over:
            del candidates[: bisect_left(candidates, over)]
        if len(candidates) > MOST_CANDIDATES:
            del candidates[0]
            self.caps["sequence_candidates"] += 1
