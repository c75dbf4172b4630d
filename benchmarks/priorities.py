"""Who goes first where more wants to run than there are cores."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_NICENESS = -10


def go_first(pid: int = 0) -> None:
    """Have a process (this one by default) go before all others in all of its threads, where the user may say so.

    On Linux that is at once (real time, `SCHED_RR`), and not at the scheduler's next tick.
    """
    with contextlib.suppress(PermissionError):
        if hasattr(os, "SCHED_RR"):
            for thread in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
                os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))
        else:
            os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
