"""A place for one worker process, whose supervisor starts it again whenever it ended, and its own network."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

from tests.chaos.crew import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.chaos.driver.timeline import Timeline
    from tests.chaos.driver.wire import Wire

AWAY = re.compile(r"cannot ask|is it up|is the broker up|no answer from|cannot reach")
POLL_S = 0.05
RESTART_S = 0.5
LEAVE_S = 45.0
"""How long SIGTERM may take; operations.md says 40 s."""


class Patient(WorkerProcess):
    """A worker that is given the time to end that operations.md names."""

    stop_s = LEAVE_S


class Slot:
    """One worker after another."""

    def __init__(
        self,
        number: int,
        environment: Mapping[str, str],
        logs: Path,
        timeline: Timeline,
        broker_wire: Wire | None,
        valkey_wire: Wire,
    ) -> None:
        """Nothing runs yet; `broker_wire` None is a broker that has none."""
        self.number = number
        self.broker_wire = broker_wire
        self.valkey_wire = valkey_wire
        self.worker: WorkerProcess | None = None
        self.falls: list[str] = []
        """Last lines of workers that ended although nobody told them to; of those that never began, only if that is
        not because a service was away: a worker says so at its start and ends."""
        self.kills = self.starts = 0
        self._environment = environment
        self._logs = logs
        self._timeline = timeline
        self._wanted = asyncio.Event()
        self._busy = asyncio.Lock()

    async def keep(self) -> None:
        """Supervise, until cancelled."""
        while True:
            await self._wanted.wait()
            async with self._busy:
                if self._wanted.is_set():
                    await self._look()
            await asyncio.sleep(POLL_S)

    async def _look(self) -> None:
        worker = self.worker
        if worker is not None and worker.fell:
            last = last_line(worker.log)
            if worker.epochs() or not AWAY.search(last):
                self.falls.append(last)
            self._timeline.say(f"worker of slot {self.number} ENDED BY ITSELF ({worker.log.name}): {last[:300]}")
            worker.close()
            self.worker = worker = None
            await asyncio.sleep(RESTART_S)
        if worker is None:
            self.starts += 1
            self.worker = Patient(self._environment, self._logs / f"slot-{self.number}-{self.starts}.log")
            await self.worker.start()

    def begin(self) -> None:
        """Have a worker run."""
        self._wanted.set()

    async def kill(self) -> bool:
        """Kill the worker, as -9 does, and start none; whether there was one."""
        self._wanted.clear()
        async with self._busy:
            worker, self.worker = self.worker, None
            if worker is None or not worker.runs:
                return False
            await worker.kill()
            worker.close()
            self.kills += 1
            return True

    async def leave(self) -> None:
        """Have the worker end by SIGTERM, and start none."""
        self._wanted.clear()
        async with self._busy:
            worker, self.worker = self.worker, None
            if worker is None or worker.fell:
                return
            status = await worker.leave()
            if status != 0 and (status != -signal.SIGTERM or worker.log.stat().st_size):  # it may not have begun
                self.falls.append(f"told to end, it ended with status {status}: {last_line(worker.log)}")
                self._timeline.say(f"worker of slot {self.number} ENDED BADLY ({worker.log.name}): status {status}")
            worker.close()

    @property
    def at_work(self) -> bool:
        """Whether its worker has taken partitions over."""
        return self.worker is not None and self.worker.runs and bool(self.worker.epochs())

    def close(self) -> None:
        """Kill what runs."""
        if self.worker is not None:
            self.worker.close()


def last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return lines[-1] if lines else "(nothing)"
