"""What came of attempts goes to Redis together: what comes while one batch is written is the next."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from state.webhooks.queues import Following, Queues, Settled
    from streams.http.webhooks.clock import Clock

_MOST = 500


class Settling:
    """Settles the deliveries of one partition."""

    def __init__(self, queues: Queues, partition: int, epoch: int, clock: Clock) -> None:
        """Write nothing before `run`."""
        self._queues = queues
        self._partition = partition
        self._epoch = epoch
        self._clock = clock
        self._waiting: list[tuple[Settled, asyncio.Future[Following]]] = []
        self._wake = asyncio.Event()

    async def settle(self, item: Settled) -> Following:
        """Return who is next, once it is written."""
        written: asyncio.Future[Following] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        self._wake.set()
        return await written

    async def run(self) -> None:
        """Write what comes, without end; raises `Fenced` and `ServiceError`."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                items = [item for item, _ in batch]
                found = await self._queues.settle(self._partition, self._epoch, self._clock.now_ms(), items)
                for (_, written), following in zip(batch, found, strict=True):
                    if not written.done():  # its attempt may have been cancelled
                        written.set_result(following)
