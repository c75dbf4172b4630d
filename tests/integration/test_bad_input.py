"""Whatever is sent, the worker goes on: bad records stand on the rejected topic, those beside them are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError

from state.redis import RedisStore
from streams.topics import APPEND_TIME, TIMESTAMP_TYPE
from tests.fuzz.inside import RULES, VIEW_TRAITS
from tests.fuzz.services import through
from tests.fuzz.worlds import world
from tests.integration.pipeline import Pipeline, make_pipeline, track

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

WORLDS = 2


async def test_worlds_of_bad_records_leave_the_good_ones_alone(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    store = RedisStore(valkey.url, app_id, patience_s=5)
    await store.start()
    try:
        pipeline = await make_pipeline(
            broker, topic_prefix, app_id, store=store, rules=RULES, view_traits=list(VIEW_TRAITS)
        )
        outcome = await through(pipeline, [sent for number in range(WORLDS) for sent in world(1, number)])
    finally:
        await store.close()
    assert outcome.faults == []
    assert sum(outcome.became.values()) > 990 * WORLDS
    assert len(outcome.became) > 12


MB = 1_000_000
LARGE, LARGER = b"x" * 10 * MB, b"y" * 15 * MB
"""The second one is more than the worker itself sends, whatever the topic takes."""


async def allow(pipeline: Pipeline, topic: str, most_bytes: int) -> None:
    """Let a topic take larger records than the 1 MB of brokers' default."""
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.broker)
    await admin.start()
    try:
        configs = {TIMESTAMP_TYPE: APPEND_TIME, "max.message.bytes": str(most_bytes)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])
    finally:
        await admin.close()


@pytest.mark.kafka
@pytest.mark.parametrize("both", [True, False], ids=["both topics raised", "events raised"])
async def test_records_of_10_mb_cost_themselves_only(
    broker: Broker, topic_prefix: str, app_id: str, both: bool
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1)
    topics = pipeline.topics
    with pytest.raises(MessageSizeTooLargeError):
        await pipeline.send([("c0", LARGE)])
    await allow(pipeline, topics.events, 20 * MB)
    if both:
        await allow(pipeline, topics.rejected, 20 * MB)
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker, max_request_size=20 * MB) as producer:
        for sent in (track("c0", 1), LARGE, track("c0", 2), LARGE, LARGER, LARGE, track("c0", 3)):
            await producer.send_and_wait(topics.events, sent, key=b"c0", partition=0)
    async with pipeline.worker() as worker:
        await worker.applied({0: 7})
        assert worker.counters.rejected == {"too_large": 4}
        assert worker.counters.applied == 3
    found = {}
    for key, value, headers in await pipeline.rejected():
        assert headers["error"] == b"too_large"
        found[int(headers["offset"])] = (value, headers.get("truncated")) if value else (key, headers["truncated"])
    cut = (None, b"true")
    whole = (LARGE, None) if both else cut
    assert found == {1: whole, 3: whole, 4: cut, 5: whole}
