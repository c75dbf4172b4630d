"""Worker processes: started, killed, told to leave."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from streams.child import POLL_S, Child
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random
    from types import TracebackType

SEGUE = Path(sys.executable).with_name("segue")
TAKEN = re.compile(r"partition (\d+): taken over \(epoch (\d+)\)")


class WorkerProcess(Child):
    """One `segue worker`."""

    name = "worker"
    stop_s = 20.0

    def __init__(self, settings: Mapping[str, str], log: Path, *words: str) -> None:
        """Take its environment, the file of its log, which stays when it is gone, and options of the command."""
        super().__init__()
        self._settings = settings
        self._words = words
        self._log = log
        self._told_to_leave = False

    @property
    def log(self) -> Path:
        return self._log

    def command(self) -> Sequence[str | Path]:
        return [SEGUE, "worker", *self._words]

    def environment(self) -> Mapping[str, str]:
        return self._settings

    async def answers(self) -> bool:
        return True

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def fell(self) -> bool:
        """Whether it ended although nobody killed it or told it to end."""
        return self._process is not None and self._process.poll() is not None and not self._told_to_leave

    @property
    def status(self) -> int | None:
        """What it ended with; None where it runs, or never ran."""
        return None if self._process is None else self._process.poll()

    def epochs(self) -> dict[int, int]:
        """Return the newest epoch of each partition that it took over."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return {int(partition): int(epoch) for partition, epoch in TAKEN.findall(text)}

    def freeze(self) -> None:
        """Let it stand still, wherever it is, until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if nothing had been."""
        os.kill(self.pid, signal.SIGCONT)

    async def leave(self) -> int | None:
        """Send SIGTERM and return the exit status; None where it did not end in time."""
        process = self._process
        if process is None:
            return None
        self._told_to_leave = True
        process.terminate()
        deadline = time.monotonic() + self.stop_s
        while process.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(POLL_S)
        return process.poll()


class Crew:
    """The workers of one app. Left, none of them runs any more."""

    def __init__(self, settings: Mapping[str, str], partitions: int, logs: Path) -> None:
        """Take every worker's environment, and the folder of their logs."""
        self._settings = settings
        self._partitions = partitions
        self.logs = logs
        self._hired: list[WorkerProcess] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._hired:
            worker.close()

    @property
    def there(self) -> list[WorkerProcess]:
        """Those that run."""
        return [worker for worker in self._hired if worker.runs]

    async def hire(self, count: int = 1, *words: str) -> list[WorkerProcess]:
        """Start workers, with these options."""
        new = [
            WorkerProcess(self._settings, self.logs / f"worker-{next(self._numbers)}.log", *words) for _ in range(count)
        ]
        self._hired += new
        for worker in new:
            await worker.start()
        return new

    async def settled(self) -> None:
        """Wait until all partitions are held, and each worker holds some of them."""
        await self.until(self._settled, f"{len(self.there)} workers to share the partitions")

    def _settled(self) -> bool:
        owners = self.owners()
        return len(owners) == self._partitions and set(owners.values()) == set(self.there)

    def owners(self) -> dict[int, WorkerProcess]:
        """Return who took each partition over last, as far as they still run."""
        newest: dict[int, tuple[int, WorkerProcess]] = {}
        for worker in self._hired:
            for partition, epoch in worker.epochs().items():
                if partition not in newest or newest[partition][0] < epoch:
                    newest[partition] = epoch, worker
        return {partition: worker for partition, (_, worker) in newest.items() if worker.runs}

    async def someone_at_work(self, random: Random) -> WorkerProcess:
        """Wait until workers hold partitions; return one of these workers."""
        await self.until(lambda: bool(self.owners()), "a worker that holds partitions")
        return random.choice(sorted(set(self.owners().values()), key=lambda worker: worker.log))

    async def until(self, met: Callable[[], bool], what: str) -> None:
        """Wait until it is; raises `TimeoutError` with what was waited for."""
        deadline = time.monotonic() + PATIENCE_S
        while not met():
            self.check()
            if time.monotonic() > deadline:
                message = f"waited {PATIENCE_S:g} s for {what}; the logs are in {self.logs}"
                raise TimeoutError(message)
            await asyncio.sleep(0.05)

    def check(self) -> None:
        """See to it that no worker ended by itself."""
        for worker in self._hired:
            assert not worker.fell, f"a worker ended by itself; its log is {worker.log}"

    async def leave(self, worker: WorkerProcess) -> None:
        """Have a worker end by SIGTERM; it must end well."""
        status = await worker.leave()
        assert status == 0, f"told to end, a worker ended with status {status}; its log is {worker.log}"

    async def refusal(self, worker: WorkerProcess) -> str:
        """Wait until a worker ends by itself, with an error; return the last line it said, and forget the worker."""
        deadline = time.monotonic() + PATIENCE_S
        while worker.runs:
            assert time.monotonic() < deadline, f"it goes on for {PATIENCE_S:g} s; its log is {worker.log}"
            await asyncio.sleep(POLL_S)
        assert worker.fell, f"it ended because it was told to; its log is {worker.log}"
        assert worker.status not in {None, 0}, f"it ended well; its log is {worker.log}"
        self._hired.remove(worker)
        worker.close()
        return worker.log.read_text().splitlines()[-1]

    async def all_leave(self) -> None:
        """Have all end, one after another."""
        self.check()
        for worker in self.there:
            await self.leave(worker)
