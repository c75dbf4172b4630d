"""How a consumer is stopped, whatever became of its connections.

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

_TASKS = ("_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_reset_committed_task")


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop it: its tasks have ended and its connections are closed afterwards. Raises `KafkaError`."""
    stopping = asyncio.create_task(consumer.stop())
    try:
        await asyncio.wait([stopping])
    finally:
        await end(stopping)
        await let_go(consumer)
    if not stopping.cancelled():
        stopping.result()


async def let_go(consumer: AIOKafkaConsumer) -> None:
    """End the tasks that a `stop` left which was interrupted, or did nothing: they would go on, and connect again."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001 - there is no public way
    tasks = [getattr(coordinator, name, None) for name in _TASKS]  # of one kind or the other
    if fetcher is not None:
        tasks += [fetcher._fetch_task, *fetcher._pending_tasks]  # noqa: SLF001 - likewise
    await end(*tasks)
    await consumer._client.close()  # noqa: SLF001 - likewise
