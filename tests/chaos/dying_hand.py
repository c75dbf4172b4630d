"""Hands in processes of their own, which kill themselves: `python -m tests.chaos.dying_hand FILE`.

FILE is a pickled `Hand`. Each line of the input is `PARTITION NTH`: a child takes the partition over and does all that
there is to do, and kills itself with SIGKILL where it waits for the NTH time. Each line of the output is the partition
and `killed`, `through`, or what went wrong. The children are forked: all that they import is there already.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import streams.sweeper
from tests.chaos.awaits import SENDING
from tests.chaos.stand_in import StandIn, task_factory

if TYPE_CHECKING:
    from tests.chaos.hand import Hand
    from tests.chaos.stand_in import Wait


async def work(hand: Hand, partition: int, nth: int) -> None:
    asyncio.get_running_loop().set_task_factory(task_factory)
    left = nth

    def meet(wait: Wait) -> None:
        nonlocal left
        if wait.awaits[0] != SENDING:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    await StandIn(meet).run(hand.once(partition))


def main() -> None:
    streams.sweeper.PAUSE_S = 0.0
    hand = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301 - the test wrote it
    for line in sys.stdin:
        partition, nth = map(int, line.split())
        if (child := os.fork()) == 0:
            asyncio.run(work(hand, partition, nth))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        what = {0: "through", -signal.SIGKILL: "killed"}.get(status, f"ended with status {status}")
        print(partition, what, flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()
