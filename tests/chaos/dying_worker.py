"""`segue worker` that kills itself: `python -m tests.chaos.dying_worker NTH worker …`.

It does so with SIGKILL where its partitions' tasks wait for the NTH time, all of them counted together.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from streams.cli import main
from tests.chaos.stand_in import StandIn, task_factory

if TYPE_CHECKING:
    from tests.chaos.stand_in import Wait

left = int(sys.argv.pop(1))


def meet(wait: Wait) -> None:
    global left  # noqa: PLW0603 - the process has one
    if wait.awaits[0].startswith(("Tenure.", "Publisher.")):
        left -= 1
        if left == 0:
            print(" > ".join(wait.awaits), file=sys.stderr, flush=True)  # noqa: T201 - for its log
            os.kill(os.getpid(), signal.SIGKILL)


class DrivenLoops(asyncio.DefaultEventLoopPolicy):
    """Makes loops whose tasks are driven."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        loop.set_task_factory(task_factory)
        return loop


if __name__ == "__main__":
    asyncio.set_event_loop_policy(DrivenLoops())
    StandIn(meet).be_this_process()
    main()
