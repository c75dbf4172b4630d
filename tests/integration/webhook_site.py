"""Webhooks on real services: changes are written to the topic, and endpoints answer as a test tells them to."""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from streams.http.webhooks.clock import WallClock
from streams.http.webhooks.delivering import delivering, stored_deliveries
from tests.integration.pipeline import Pipeline, make_pipeline
from tests.unit.webhook_fakes import ScriptedSender, change_of, endpoint_of, record_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from state.change import Change
    from state.webhooks.endpoints import Endpoint, Endpoints
    from streams.embedded import EmbeddedValkey
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.deliveries import StoredDeliveries
    from tests.integration.conftest import Broker


@dataclass
class WebhookSite:
    """An app whose changes the test writes, with what manages its endpoints."""

    pipeline: Pipeline
    producer: AIOKafkaProducer
    endpoints: Endpoints
    deliveries: StoredDeliveries
    sender: ScriptedSender = field(default_factory=ScriptedSender)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def add(self, identity: str = "ep_1", **fields: Any) -> Endpoint:
        """Add an endpoint that reads from now on."""
        return await self.deliveries.add(endpoint_of(identity, **fields), backfill=False)

    async def write(self, changes: Iterable[Change]) -> None:
        """Write changes as a worker does."""
        topic, app_id = self.pipeline.topics.changes, self.pipeline.settings.app_id
        for change in changes:
            key, value, headers = record_of(app_id, change)
            await self.producer.send(topic, value, key=key, headers=list(headers))
        await self.producer.flush()

    @contextlib.asynccontextmanager
    async def delivering(self, clock: Clock | None = None) -> AsyncIterator[StoredDeliveries]:
        """Deliver as one `segue serve` does."""
        async with delivering(
            self.pipeline.settings, lambda: self.producer, self.sender, CollectorRegistry(), clock or WallClock()
        ) as (_, deliveries):
            yield deliveries


@contextlib.asynccontextmanager
async def webhook_site(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, **options: Any
) -> AsyncIterator[WebhookSite]:
    """Make the topics of an app; options are settings."""
    pipeline = await make_pipeline(broker, topic_prefix, app_id, redis=valkey.url, **options)
    async with (
        AIOKafkaProducer(bootstrap_servers=broker.address, acks="all", linger_ms=2) as producer,
        stored_deliveries(pipeline.settings, WallClock().now_ms) as (endpoints, deliveries),
    ):
        yield WebhookSite(pipeline, producer, endpoints, deliveries)
    gc.collect()  # what aiokafka left behind is the collector's within the test that left it


def changes_of(customers: int, each: int) -> list[Change]:
    """Return so many changes of so many customers, one of each after the other."""
    return [change_of(f"c{customer}", seq) for seq in range(1, each + 1) for customer in range(customers)]
