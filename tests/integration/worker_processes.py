"""Workers in processes of their own, to be killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from typing import TYPE_CHECKING, Any

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.pipeline import Pipeline


class WorkerProcess:
    """A worker of the pipeline in another process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, pipeline: Pipeline, rules: str) -> WorkerProcess:
        settings = pipeline.settings.model_dump_json(exclude_unset=True)
        command = [sys.executable, "-m", "tests.integration.worker_process", settings, rules]
        return cls(await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE))

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            assert await self.process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> Any:
        """Stop it gracefully; return what it says of its work."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await self.process.communicate()
        assert self.process.returncode == 0
        return json.loads(output.splitlines()[-1])


@contextlib.asynccontextmanager
async def workers(pipeline: Pipeline, rules: str, count: int) -> AsyncIterator[list[WorkerProcess]]:
    """Run so many; those that are not killed by the end are killed then."""
    started = [await WorkerProcess.start(pipeline, rules) for _ in range(count)]
    try:
        for worker in started:
            await worker.ready()
        yield started
    finally:
        for worker in started:
            if worker.process.returncode is None:
                await worker.kill()
