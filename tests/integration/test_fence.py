"""A partition has one publisher: what a former owner still writes is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from rules.errors import Fenced
from state.memory import MemoryStore
from streams.fence import EpochFence, KafkaFence, has_producer_ids
from streams.producers import stop_producer
from streams.settings import Settings
from streams.tail import TailReader
from streams.topics import Topics, create_topics
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from streams.fence import Right
    from tests.integration.conftest import Broker

ROUNDS = 200


@pytest.fixture
def settings(broker: Broker, topic_prefix: str, app_id: str) -> Settings:
    return Settings(broker=broker.address, topic_prefix=topic_prefix, app_id=app_id, partitions=1)


async def write(right: Right, topic: str, value: bytes) -> None:
    await right.check()
    async with asyncio.timeout(PATIENCE_S):
        await right.producer.send_and_wait(topic, value, partition=0)


@pytest.mark.kafka
@pytest.mark.timeout(300)  # 200 take-overs at 50 to 300 ms
async def test_a_former_owner_is_refused_every_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The former owner writes as soon as the barrier has passed: without the barrier some of these are accepted."""
    await create_topics(settings)
    topic = Topics.named(settings).changes
    fence = KafkaFence(settings, topic, deadline_s=30)
    owner = await fence.own(0, 1)
    accepted = tried = 0

    async def write_then_stop(fencing: AIOKafkaProducer) -> None:
        nonlocal accepted, tried
        tried += 1
        with contextlib.suppress(KafkaError):
            await write(owner, topic, b"too late")
            accepted += 1
        await stop_producer(fencing)

    for epoch in range(2, ROUNDS + 2):
        await write(owner, topic, b"mine")
        with monkeypatch.context() as patch:
            # what `own` does first once the barrier has passed
            patch.setattr("streams.fence.stop_producer", write_then_stop)
            taker = await fence.own(0, epoch)
        await owner.close()
        owner = taker
    await write(owner, topic, b"mine")
    await owner.close()
    assert (tried, accepted) == (ROUNDS, 0)


@pytest.mark.kafka
async def test_all_that_a_former_owner_wrote_is_below_the_watermark_of_the_take_over(settings: Settings) -> None:
    await create_topics(settings)
    topic = Topics.named(settings).changes
    fence = KafkaFence(settings, topic, deadline_s=30)
    tail = TailReader(settings, topic, deadline_s=10)
    for _ in range(5):
        former = await fence.own(0, 1)
        writing = asyncio.create_task(write_until_refused(former, topic))
        await asyncio.sleep(0.05)
        owner = await fence.own(0, 2)
        end = (await tail.read(0, 0)).end
        assert 0 <= await asyncio.wait_for(writing, PATIENCE_S) < end
        await former.close()
        await owner.close()


async def write_until_refused(right: Right, topic: str) -> int:
    """Return the offset of the last record that was accepted."""
    last = -1
    with contextlib.suppress(KafkaError):
        while True:
            last = (await right.producer.send_and_wait(topic, b"x", partition=0)).offset
    return last


@pytest.mark.kafka
async def test_the_broker_is_known_to_have_producer_ids(broker: Broker) -> None:
    assert await has_producer_ids(Settings(broker=broker.address))


@pytest.mark.embedded
async def test_the_embedded_broker_is_known_to_have_none(broker: Broker) -> None:
    assert not await has_producer_ids(Settings(broker=broker.address))


async def test_the_epoch_in_the_store_fences_before_each_send(settings: Settings) -> None:
    store = MemoryStore()
    fence = EpochFence(settings, store)
    former = await fence.own(0, (await store.take_over(0)).epoch)
    await former.check()
    owner = await fence.own(0, (await store.take_over(0)).epoch)
    with pytest.raises(Fenced, match="epoch 2 has taken over from 1"):
        await former.check()
    await owner.check()
    await former.close()
    await owner.close()


@pytest.mark.embedded
async def test_a_producer_that_cannot_deliver_stops_all_the_same(settings: Settings, broker: Broker) -> None:
    await create_topics(settings)
    topic = Topics.named(settings).changes
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker)
    await producer.start()
    await producer.send_and_wait(topic, b"first", partition=0)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    await broker.kill()
    try:
        undelivered = await producer.send(topic, b"never", partition=0)
        await asyncio.wait_for(stop_producer(producer), PATIENCE_S)
        with pytest.raises(KafkaError):
            await asyncio.wait_for(undelivered, 1)
        del undelivered
        gc.collect()
        await asyncio.sleep(0)
        assert complaints == []
    finally:
        await broker.restart()


@pytest.mark.kafka
async def test_topics_that_were_just_created_can_be_fenced_at_once(settings: Settings) -> None:
    """Kafka shows topics before it has opened their logs; a fence in between would hang for 30 s."""
    many = settings.model_copy(update={"partitions": 16})
    await create_topics(many)
    fence = KafkaFence(many, Topics.named(many).changes, deadline_s=20)
    async with asyncio.TaskGroup() as group:
        owning = [group.create_task(fence.own(partition, 1)) for partition in range(many.partitions)]
    for task in owning:
        await task.result().close()
