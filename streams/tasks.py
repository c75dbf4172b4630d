"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

AGAIN_S = 1.0
"""After so long a task that has not ended is cancelled again."""


async def end(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel these and wait until they have ended, whatever with; None and those that have ended are passed over.

    One cancellation may not do: `aiokafka` takes the one that comes while it waits for its own tasks to end for theirs
    (`Fetcher.close`, `AIOKafkaClient.close`), as `asyncio.wait_for` may (cpython issue 86296), and what is under way
    goes on. Cancelled itself meanwhile, it waits all the same, then raises `CancelledError`: no task outlives it.
    """
    wanted = [task for task in tasks if task is not None]
    left = {task for task in wanted if not task.done()}
    cancelled = False
    while left:
        for task in left:
            task.cancel()
        try:
            await asyncio.wait(left, timeout=AGAIN_S)
        except asyncio.CancelledError:
            cancelled = True
        left = {task for task in left if not task.done()}
    for task in wanted:
        if not task.cancelled():
            task.exception()  # it is no news: who wants it asks the task
    if cancelled:
        raise asyncio.CancelledError
