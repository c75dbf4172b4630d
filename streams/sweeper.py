"""When the timers of one partition may fire, and how the worker learns that it is time.

Timers fire early only where it is certain that no record still to come has a say, and certainty comes from the records
themselves: the newest one applied. Where something is due and no record comes, the worker appends a tick, a record
that says nothing but the broker's time, and reads it back. The local clock only guesses when a tick is worth sending.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from rules.features import NEVER
from streams.clocks import NEVER_MS
from streams.events import TICK_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.parts import Parts

log = logging.getLogger(__name__)

PAUSE_S = 0.05
"""Between two sweeps, and between two ticks: at most twenty a second. On average an exit waits for half of it."""

_LONGEST_S = 3600.0


class Sweeper:
    """Knows the least due instant of a partition, or an earlier one, and the newest times applied."""

    def __init__(self, parts: Parts, partition: int) -> None:
        """Begin with nothing read."""
        self._parts = parts
        self._partition = partition
        self._least_due_ms = NEVER
        self._newest_broker_ms = NEVER_MS
        self.newest_event_ms = NEVER_MS
        self._ahead_ms: float | None = None
        """By how much the broker's time is ahead of the monotonic clock, as the freshest record told."""
        self._next_sweep_s = 0.0
        self._next_tick_s = 0.0
        self._tick: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Ask the store for the least due instant."""
        first = await self._parts.store.due(self._partition, NEVER, 1)
        self._least_due_ms = first[0][1] if first else NEVER

    def moved(self, dues: Iterable[int | None]) -> None:
        """Note due instants that were committed."""
        self._least_due_ms = min(self._least_due_ms, min((due for due in dues if due is not None), default=NEVER))

    def read(self, broker_ms: int) -> None:
        """Note the newest broker time of a chunk that is being applied."""
        self._newest_broker_ms = max(self._newest_broker_ms, broker_ms)
        ahead_ms = broker_ms - time.monotonic() * 1000
        self._ahead_ms = ahead_ms if self._ahead_ms is None else max(self._ahead_ms, ahead_ms)

    def turn(self) -> int | None:
        """Return the instant before which timers may fire, where there may be some and it is time for a sweep."""
        certain_ms = self._certain_ms()
        now_s = time.monotonic()
        if self._least_due_ms >= certain_ms or now_s < self._next_sweep_s:
            return None
        self._next_sweep_s = now_s + PAUSE_S
        return certain_ms

    def again(self) -> None:
        """Ask for another turn without a pause: the last one did not get through."""
        self._next_sweep_s = 0.0

    def patience_s(self) -> float:
        """Return how long to wait for a record before asking again; sends a tick where one is worth it now."""
        now_s = time.monotonic()
        if self._least_due_ms < self._certain_ms():
            return max(0.0, self._next_sweep_s - now_s)
        if not self._parts.clock.ticks or self._least_due_ms >= NEVER:
            return _LONGEST_S
        wait_s = max(self._tick_in_s(), self._next_tick_s - now_s)
        if wait_s > 0:
            return min(wait_s, _LONGEST_S)
        self._next_tick_s = now_s + PAUSE_S
        if self._tick is None or self._tick.done():
            self._tick = asyncio.create_task(self._send_tick())
        return PAUSE_S

    @property
    def certain_ms(self) -> int | None:
        """The instant strictly before which no record still to come has a say; None before the first record."""
        return None if self._newest_broker_ms == NEVER_MS else self._certain_ms()

    async def close(self) -> None:
        """Send no more ticks."""
        if self._tick is not None:
            self._tick.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._tick

    def _certain_ms(self) -> int:
        return self._parts.clock.certain_ms(self._newest_broker_ms, self.newest_event_ms)

    def _tick_in_s(self) -> float:
        """Return in how long a record appended to the partition would make the least due instant certain."""
        now_ms = time.monotonic() * 1000 + self._ahead_ms if self._ahead_ms is not None else self._parts.now_ms()
        certain_then_ms = self._parts.clock.certain_ms(int(now_ms), NEVER_MS)
        return (self._least_due_ms + 1 - certain_then_ms) / 1000

    async def _send_tick(self) -> None:
        topic, deadline_s = self._parts.topics.events, self._parts.settings.publish_deadline / 1000
        try:
            async with asyncio.timeout(deadline_s):
                await self._parts.producer.send_and_wait(
                    topic, b"", partition=self._partition, headers=[(TICK_HEADER, b"")]
                )
        except (KafkaError, TimeoutError) as error:
            log.warning("%s/%d: cannot append a tick: %r; timers wait for it", topic, self._partition, error)
