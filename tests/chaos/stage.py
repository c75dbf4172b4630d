"""Many partitions with a short log each, for hands to take turns on: one for each trial, and one verdict on all."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis

from state.keys import Keys
from state.redis import RedisStore
from streams.settings import Settings
from streams.topics import Topics, create_topics
from tests.chaos.hand import RULES, Hand
from tests.chaos.left_behind import left_behind
from tests.chaos.topic import Topic
from tests.chaos.verdict import expect, faults
from tests.integration.pipeline import track

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rules.ruleset import Ruleset
    from tests.integration.conftest import Broker

PART_S = 0.08
"""Between two parts of a log: longer than any timer of the rules runs."""


@dataclass
class Stage:
    """The topics of an app, its logs, and what stands on them in the end."""

    settings: Settings
    ruleset: Ruleset
    store: RedisStore
    events: Topic
    changes: Topic
    rejected: Topic
    hand: Hand

    async def written(self, partition: int) -> tuple[dict[str, Any], list[int]]:
        """Return all that a partition's owner writes: its keys with their bytes, and where its changes stand."""
        names = Keys(self.settings.app_id)
        keys = [names.head(partition), names.due(partition), names.outbox(partition)]
        keys += [names.sizes(partition), names.views(partition)]
        for customer in customers_of(partition):
            keys += [names.profile_prefix(partition) + customer, names.view_prefix + customer]
        async with Redis.from_url(self.settings.redis) as client:
            stored = {key: await client.dump(key) for key in keys}
        return stored, await self._records(TopicPartition(Topics.named(self.settings).changes, partition))

    async def _records(self, place: TopicPartition) -> list[int]:
        """Return the offsets of all records of a partition; the marks that a fence leaves are none."""
        async with AIOKafkaConsumer(bootstrap_servers=self.settings.broker, fetch_max_wait_ms=20) as consumer:
            consumer.assign([place])
            consumer.seek(place, 0)
            offsets: list[int] = []
            while (end := consumer.highwater(place)) is None or await consumer.position(place) < end:
                for records in (await consumer.getmany(place, timeout_ms=100)).values():
                    offsets += [record.offset for record in records]
            return offsets

    async def verdict(self) -> list[str]:
        """Return what is wrong with what stands on the topics and in the store, a line each."""
        for topic in (self.events, self.changes, self.rejected):
            await topic.catch_up()
        expected = expect(self.settings, self.ruleset, self.events.records)
        causes = {change["cause"]["type"] for some in expected.told.values() for change in some}
        assert causes == {"event", "timer"}
        scene: Any = self
        return faults(expected, self.changes.records) + [line async for line in left_behind(scene, expected)]


def customers_of(partition: int) -> tuple[str, str]:
    """Return a partition's customers."""
    return f"p{partition}-a", f"p{partition}-b"


@contextlib.asynccontextmanager
async def make_stage(
    broker: Broker, redis: str, topic_prefix: str, app_id: str, partitions: int
) -> AsyncIterator[Stage]:
    """Make topics, store and logs; nobody has a partition yet."""
    embedded = broker.kind == "embedded"
    settings = Settings(
        broker=broker.address,
        redis=redis,
        app_id=app_id,
        topic_prefix=topic_prefix,
        partitions=partitions,
        grace=0,
        clock_skew=0,
        allow_create_time=embedded,
    )
    await create_topics(settings)
    await _fill(settings)
    topics = Topics.named(settings)
    async with contextlib.AsyncExitStack() as stack:
        follow = stack.enter_async_context
        events = await follow(Topic.follow(settings.broker, topics.events, partitions, unbroken=embedded))
        changes = await follow(Topic.follow(settings.broker, topics.changes, partitions, unbroken=embedded))
        rejected = await follow(Topic.follow(settings.broker, topics.rejected, 1, unbroken=embedded))
        store = RedisStore(redis, app_id)
        await store.start()
        stack.push_async_callback(store.close)
        stack.push_async_callback(store.drop)
        await events.catch_up()
        hand = Hand(settings, events.records)
        yield Stage(settings, RULES, store, events, changes, rejected, hand)


async def _fill(settings: Settings) -> None:
    """Write each partition's log: three parts, between which all that waits for 40 ms turns."""
    async with AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all") as producer:
        for part in range(3):
            sent = [
                await producer.send(Topics.named(settings).events, value, key=customer.encode(), partition=partition)
                for partition in range(settings.partitions)
                for customer, value in _part(part, *customers_of(partition))
            ]
            await asyncio.gather(*sent)
            await asyncio.sleep(PART_S)


def _part(part: int, a: str, b: str) -> list[tuple[str, bytes]]:
    match part:
        case 0:
            return [(a, track(a, 1)), (b, track(b, 1)), (a, track(a, 1)), (a, b"{"), (b, track(b, 2, event="Clicked"))]
        case 1:
            return [(a, track(a, 2)), (b, track(b, 3))]
        case _:
            return [(a, track(a, 3)), (b, track(b, 3)), (b, b"[]"), (a, track(a, 4, event="Clicked"))]
