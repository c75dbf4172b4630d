"""A worker that its consumer group gives no share, not even an empty one, although the broker answers, ends."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LOOK_S = 1.0
_SUSPENDED_S = 5.0
_ASK = 4
"""So often within the deadline the broker is asked."""


async def watch_joining(
    joined: Callable[[], bool],
    away: Callable[[], Awaitable[str]],
    *,
    group: str,
    stall_s: float,
    now_s: Callable[[], float] = time.monotonic,
    look_s: float = _LOOK_S,
) -> None:
    """Look for as long as the worker runs; raises `ServiceError` where it has not joined for so long.

    `away` returns what the broker fails to do, an empty text where it answers; while it is away nothing counts, and
    neither does a time in which the whole process did not run.
    """
    since_s = looked_s = asked_s = now_s()
    while True:
        await asyncio.sleep(look_s)
        before_s, looked_s = looked_s, now_s()
        if joined() or looked_s - before_s > _SUSPENDED_S + look_s:
            since_s = asked_s = looked_s
        elif looked_s - asked_s > stall_s / _ASK:
            asked_s = looked_s
            if await away():
                since_s = now_s()
            elif looked_s - since_s > stall_s:
                message = (
                    f"the consumer group {group!r} has given this worker no share for {looked_s - since_s:.0f} s, "
                    "although the broker answers. The worker ends, so that whatever supervises it starts it again "
                    "(SEGUE_STALL_DEADLINE is how long it waits)"
                )
                raise ServiceError(message)
