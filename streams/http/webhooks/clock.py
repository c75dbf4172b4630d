"""The time that deliveries go by: a test drives another through days."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Protocol

_LONGEST_S = 30.0


class Clock(Protocol):
    """Tells the time, and waits for it."""

    def now_ms(self) -> int:
        """Return UTC milliseconds."""

    async def wait(self, event: asyncio.Event, until_ms: float | None) -> None:
        """Wait until the event is set or the time has come (None: never); it may return earlier."""


class WallClock:
    """The machine's."""

    def now_ms(self) -> int:
        """Return UTC milliseconds."""
        return time.time_ns() // 1_000_000

    async def wait(self, event: asyncio.Event, until_ms: float | None) -> None:
        """Wait, for 30 s at most where there is a time: the clock may be set meanwhile."""
        if until_ms is None:
            await event.wait()
            return
        left_s = min((until_ms - self.now_ms()) / 1000, _LONGEST_S)
        if left_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await event.wait()


async def soon(event: asyncio.Event, within_s: float) -> None:
    """Wait until the event is set, and no longer than this by the machine's time: for what is asked again and again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()
