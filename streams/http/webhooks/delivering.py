"""Webhooks put together: the partitions that fall to this process, and what may be asked of all."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from rules.errors import SegueError
from state.redis import RedisStore
from state.webhooks.endpoints import Endpoints
from state.webhooks.queues import RedisQueues
from streams.http.owning import owning
from streams.http.webhooks.clock import WallClock
from streams.http.webhooks.deliveries import StoredDeliveries
from streams.http.webhooks.directory import Directory
from streams.http.webhooks.feed import source_of_topic
from streams.http.webhooks.measures import WebhookMeasures
from streams.http.webhooks.partition import PartitionWork, Tools
from streams.http.webhooks.post import Post
from streams.http.webhooks.spent import SpentTopic
from streams.redis_access import redis_url
from streams.tasks import end
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiokafka import AIOKafkaProducer
    from prometheus_client import CollectorRegistry

    from state.webhooks.endpoints import Endpoint
    from state.webhooks.queues import Dead, Queues
    from streams.http.webhooks.attempt import Sender
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.feed import Source
    from streams.settings import Settings

GROUP = "webhooks"
_ASKED_PATIENCE_S = 2.0
_WORK_PATIENCE_S = 600.0
"""What came of attempts waits so long for a Redis that is away, lest each be made again."""


@contextlib.asynccontextmanager
async def stored_deliveries(
    settings: Settings, now_ms: Callable[[], int], hurry: Callable[[], None] = lambda: None
) -> AsyncIterator[tuple[Endpoints, StoredDeliveries]]:
    """Manage endpoints for as long as the context lasts: what `segue webhooks` needs, where nobody delivers."""
    endpoints = Endpoints(redis_url(settings), settings.app_id, patience_s=_ASKED_PATIENCE_S)
    queues = RedisQueues(redis_url(settings), settings.app_id, patience_s=_ASKED_PATIENCE_S)
    try:
        yield endpoints, StoredDeliveries(settings, endpoints, queues, now_ms, hurry)
    finally:
        await endpoints.close()
        await queues.close()


@contextlib.asynccontextmanager
async def delivering(
    settings: Settings,
    producer: Callable[[], AIOKafkaProducer | None],
    sender: Sender,
    registry: CollectorRegistry,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[Endpoints, StoredDeliveries]]:
    """Deliver for as long as the context lasts; broker and Redis may be away, at the start and later.

    Parameters
    ----------
    producer
        Returns what spent deliveries are written with, None while the broker was not reached.
    """
    clock = clock or WallClock()
    measures = WebhookMeasures(registry)
    async with contextlib.AsyncExitStack() as stack:
        queues = RedisQueues(redis_url(settings), settings.app_id, patience_s=_WORK_PATIENCE_S)
        stack.push_async_callback(queues.close)
        store = RedisStore(redis_url(settings), settings.app_id, patience_s=_WORK_PATIENCE_S)
        stack.push_async_callback(store.close)
        endpoints = Endpoints(redis_url(settings), settings.app_id, patience_s=_ASKED_PATIENCE_S)
        stack.push_async_callback(endpoints.close)
        source, topics = source_of_topic(settings, store), Topics.named(settings)
        dead = SpentTopic(producer, topics.spent)
        process = Process(source, queues, endpoints, sender, dead, measures, clock)
        measures.show(process.show)
        keeping = asyncio.create_task(process.directory.keep())
        stack.push_async_callback(end, keeping)
        await stack.enter_async_context(owning(settings, GROUP, topics.changes, process.run))
        yield await stack.enter_async_context(stored_deliveries(settings, clock.now_ms, process.directory.hurry))


class Process:
    """The partitions that this process delivers for."""

    def __init__(
        self,
        source: Source,
        queues: Queues,
        endpoints: Endpoints,
        sender: Sender,
        dead: SpentTopic,
        measures: WebhookMeasures,
        clock: Clock,
    ) -> None:
        """Own none yet."""
        self._source = source
        self._queues = queues
        self._sender = sender
        self._dead = dead
        self._measures = measures
        self._clock = clock
        self._works: dict[int, PartitionWork] = {}
        self.directory = Directory(endpoints, self._post)

    async def run(self, partition: int) -> None:
        """Deliver for one partition, without end; raises `SegueError`."""
        ownership = await self._queues.take_over(partition)
        # after it: what the former owner knew must be known here
        await self.directory.refresh()
        tools = Tools(self._source, self._queues, self.directory, self._give_up, self._clock, self._measures)
        work = PartitionWork(partition, ownership.epoch, ownership.lanes, tools)
        self._works[partition] = work
        try:
            await work.run()
        finally:
            del self._works[partition]
            with contextlib.suppress(SegueError):
                await self.directory.save()

    def show(self) -> Mapping[str, tuple[int, int]]:
        """Return endpoint -> how many deliveries wait, and how many records its reading is behind."""
        found: dict[str, tuple[int, int]] = {}
        for work in self._works.values():
            for endpoint, (waiting, behind) in work.show().items():
                before = found.get(endpoint, (0, 0))
                found[endpoint] = before[0] + waiting, before[1] + behind
        return found

    def _post(self, endpoint: Endpoint) -> Post:
        return Post(endpoint, self._sender, self._clock, self._measures, self._share)

    def _share(self) -> float:
        """Return which part of the partitions is this process's."""
        return max(1, len(self._works)) / self._source.partitions

    async def _give_up(self, endpoint: str, dead: Dead) -> None:
        await self._dead.put(endpoint, dead)
        self._measures.dead.inc()
