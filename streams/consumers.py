"""How a consumer beside Faust's is stopped, whatever became of its connections.

aiokafka's own `stop` cancels the fetches that are under way and awaits them. One that was waiting to try again, after a
connection broke, ends with `CancelledError`, and that comes out of `stop` as if its caller had been cancelled: a worker
would let go of a partition that nobody takes from it. And a cancellation that is the caller's own may get lost there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streams.tasks import end

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it: its tasks have ended and its connections are closed afterwards. Raises `KafkaError`."""
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping])
    finally:
        await end(stopping)
        if consumer._fetcher is not None:  # noqa: SLF001 - what `stop` left when it was interrupted
            await end(*consumer._fetcher._pending_tasks)  # noqa: SLF001 - likewise
        await consumer._client.close()  # noqa: SLF001 - likewise
    if not stopping.cancelled():
        stopping.result()
