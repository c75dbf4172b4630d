"""Events and timers on which the engine raises: each costs itself only, but many at once are no accident."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from rules.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable

INTERNAL = "internal"
"""The reason in the rejected topic's header `error`."""

_WINDOW_S = 60.0


class PoisonLimit:
    """Counts what one worker found poisoned within a minute."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._per_minute = per_minute
        self._clock = clock
        self._times: deque[float] = deque()

    def hit(self, what: str) -> None:
        """Count one more; raises `StateError` where that is one too many."""
        now = self._clock()
        self._times.append(now)
        while self._times[0] <= now - _WINDOW_S:
            self._times.popleft()
        if len(self._times) > self._per_minute:
            message = (
                f"{what}: more than {self._per_minute} events a minute cannot be applied: this is a defect of segue or "
                "of its state, not of the events. The log above has each trace; the worker stops, nothing is lost"
            )
            raise StateError(message)
