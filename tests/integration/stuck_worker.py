"""`segue worker` whose commits of events hang: `python -m tests.integration.stuck_worker HOW worker …`.

HOW is `await` (it waits for what never comes), `deaf` (and takes no cancellation) or `loop` (and nobody else runs).
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import streams.cli.worker
from state.redis import RedisStore
from streams.cli import main

if TYPE_CHECKING:
    from state.store import Commit

how = sys.argv.pop(1)


async def hang(_: RedisStore, commit: Commit) -> None:
    del commit
    if how == "loop":
        time.sleep(3_600)  # noqa: ASYNC251 - this is what is tried
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if how != "deaf":
                raise


RedisStore.commit = hang  # type: ignore[method-assign, assignment]
streams.cli.worker.END_S = 1  # type: ignore[attr-defined]

if __name__ == "__main__":
    main()
