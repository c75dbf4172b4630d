"""One app on real services for a test: its topics, a producer of events, workers, and a reader of what came out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from rules.load import load_text
from state.memory import MemoryStore
from streams.app import build_app
from streams.settings import Settings
from streams.topics import Topics, create_topics
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from aiokafka.structs import ConsumerRecord

    from rules.ruleset import Ruleset
    from state.store import Store
    from streams.worker import Worker
    from tests.integration.conftest import Broker

SEEN = load_text("segments: [{key: seen, when: {did: {event: '*'}}}]")
"""A customer is in `seen` from their first event on."""

RECENT = load_text("segments: [{key: recent, when: {did: {event: '*', within: 2s}}}]")
"""A customer leaves `recent` by a timer, 2 s after their last event."""


def track(customer: str, number: int, at: str | None = None, event: str = "Seen", **properties: Any) -> bytes:
    """Return one event's JSON; `at` is its timestamp, none where None."""
    body: dict[str, Any] = {"type": "track", "userId": customer, "messageId": f"m-{customer}-{number}", "event": event}
    body |= {"properties": properties} if properties else {}
    return orjson.dumps(body | ({"timestamp": at} if at else {}))


@dataclass
class Pipeline:
    """An app's topics and store."""

    settings: Settings
    store: Store = field(default_factory=MemoryStore)
    rules: Ruleset = SEEN

    @property
    def topics(self) -> Topics:
        return Topics.named(self.settings)

    @contextlib.asynccontextmanager
    async def worker(self, **options: Any) -> AsyncIterator[Worker]:
        """Run a worker; leaving raises what made it fail."""
        async with build_app(self.settings, self.store, self.rules, **options) as worker:
            running = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                if running.done():
                    await running
                running.cancel()

    async def send(self, events: Iterable[tuple[str, bytes]], *, partition: int | None = None) -> dict[int, int]:
        """Send (customer, value) pairs in order; return partition -> the offset after the last one there."""
        async with AIOKafkaProducer(bootstrap_servers=self.settings.broker, linger_ms=5) as producer:
            sent = [
                await producer.send(self.topics.events, value, key=customer.encode(), partition=partition)
                for customer, value in events
            ]
            ends: dict[int, int] = {}
            for metadata in await asyncio.gather(*sent):
                ends[metadata.partition] = max(ends.get(metadata.partition, 0), metadata.offset + 1)
            return ends

    async def read(self, topic: str, *, quiet_s: float = 0.4) -> list[ConsumerRecord[Any, Any]]:
        """Return all records of a topic, in order within a partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.broker, auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        count = self.settings.partitions if topic in (self.topics.events, self.topics.changes) else 1
        places = [TopicPartition(topic, partition) for partition in range(count)]
        async with asyncio.timeout(PATIENCE_S), consumer:
            consumer.assign(places)
            records: list[ConsumerRecord[Any, Any]] = []
            until = time.monotonic() + quiet_s
            # quiet, and through: a broker that is slow, or just came back, says nothing for a while either
            while time.monotonic() < until or not all([await _at_end(consumer, place) for place in places]):
                for found in (await consumer.getmany(timeout_ms=100)).values():
                    records += found
                    until = time.monotonic() + quiet_s
            return records

    async def changes(self) -> list[dict[str, Any]]:
        """Return all changes, in order within a customer, without the moment of emission."""
        changes = [orjson.loads(record.value or b"") for record in await self.read(self.topics.changes)]
        for change in changes:
            del change["emitted_at"]
        return changes

    async def rejected(self) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
        """Return (key, value, headers) of each rejected record."""
        records = await self.read(self.topics.rejected)
        return [(record.key, record.value, dict(record.headers)) for record in records]


async def make_pipeline(
    broker: Broker, topic_prefix: str, app_id: str, *, partitions: int = 2, **options: Any
) -> Pipeline:
    """Return a pipeline with its topics created; other options are settings, or `store` and `rules`."""
    parts = {name: options.pop(name) for name in ("store", "rules") if name in options}
    settings = Settings(
        broker=broker.address,
        topic_prefix=topic_prefix,
        app_id=app_id,
        partitions=partitions,
        allow_create_time=broker.kind == "embedded",
        # Kafka's least is 6 s, and answers joins at once; the embedded broker waits it out
        session_timeout=1_500 if broker.kind == "embedded" else 6_000,
        **options,
    )
    await create_topics(settings)
    return Pipeline(settings, **parts)


async def _at_end(consumer: AIOKafkaConsumer, place: TopicPartition) -> bool:
    """Whether a fetch has said where the partition ends, and all before is read."""
    end = consumer.highwater(place)
    return end is not None and await consumer.position(place) >= end


async def until(met: Callable[[], bool]) -> None:
    """Wait until the condition is met."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)
