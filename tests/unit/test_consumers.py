"""Stopping a consumer: what aiokafka makes of a broken connection is not taken for a cancellation of ours."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher

from streams.consumers import let_go, stop_consumer


class Consumer:
    """A consumer as far as it is stopped: aiokafka's own way, with fetches that wait to try again."""

    def __init__(self) -> None:
        self.fetches = {asyncio.create_task(asyncio.sleep(60)) for _ in range(3)}
        routine = asyncio.create_task(asyncio.sleep(60))
        self._fetcher: Any = SimpleNamespace(_fetch_task=routine, _fetch_waiters=set(), _pending_tasks=self.fetches)
        self.beating = asyncio.create_task(asyncio.sleep(60))
        self._coordinator = SimpleNamespace(_heartbeat_task=self.beating, _commit_refresh_task=None)
        self._client = self
        self.closed = False

    async def stop(self) -> None:
        await asyncio.sleep(0)
        await Fetcher.close(self._fetcher)

    async def close(self) -> None:
        self.closed = True


async def test_aiokafkas_own_stop_looks_like_a_cancellation() -> None:
    consumer = Consumer()
    with pytest.raises(asyncio.CancelledError):
        await consumer.stop()
    for task in consumer.fetches:
        task.cancel()


async def test_a_consumer_whose_fetches_wait_to_try_again_is_stopped() -> None:
    consumer: Any = Consumer()
    await stop_consumer(consumer)
    assert consumer.closed
    assert all(task.done() for task in consumer.fetches)


async def test_nothing_goes_on_of_a_consumer_whose_stop_does_nothing() -> None:
    """One that Faust closed while the group was being shared out anew; its heartbeat would keep a dead member in it."""
    consumer: Any = Consumer()
    await let_go(consumer)
    assert consumer.closed
    assert all(task.done() for task in (consumer.beating, consumer._fetcher._fetch_task, *consumer.fetches))  # noqa: SLF001


async def test_a_cancellation_that_is_ours_is_not_lost() -> None:
    consumer: Any = Consumer()
    stopping = asyncio.create_task(stop_consumer(consumer))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert consumer.closed
