"""A reader of a topic stands where it was told, and says where that is nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rules.errors import TopicError
from streams.producers import plain_producer
from streams.reader import Bounds, OutOfRange, TopicReader
from streams.settings import Settings
from streams.topics import Topics, create_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.conftest import Broker

PARTITIONS = 3


class Log:
    """A topic of three partitions."""

    def __init__(self, broker: str, topic: str) -> None:
        self.settings = Settings(broker=broker)
        self.topic = topic

    def reader(self, partitions: Iterable[int] | None = None) -> TopicReader:
        return TopicReader(self.settings, self.topic, partitions=partitions)

    async def write(self, partition: int, *values: bytes) -> None:
        async with plain_producer(self.settings) as producer:
            for value in values:
                await producer.send_and_wait(self.topic, value, partition=partition)


@pytest_asyncio.fixture
async def log(broker: Broker, topic_prefix: str) -> Log:
    settings = Settings(broker=broker.address, topic_prefix=topic_prefix, partitions=PARTITIONS, allow_create_time=True)
    await create_topics(settings, models=False)
    return Log(broker.address, Topics.named(settings).events)


async def test_all_partitions_are_read_to_their_ends_and_then_on(log: Log) -> None:
    await log.write(0, b"a", b"b")
    await log.write(2, b"c")
    async with log.reader() as reader:
        found = [record.value async for records in reader.to_end() for record in records]
        assert sorted(value or b"" for value in found) == [b"a", b"b", b"c"]
        await log.write(1, b"d")
        assert [record.value async for records in reader.at_least(1) for record in records] == [b"d"]


async def test_one_partition_is_read_from_an_offset(log: Log) -> None:
    await log.write(0, b"another's")
    await log.write(1, b"a", b"b", b"c")
    async with log.reader([1]) as reader:
        assert await reader.bounds() == {1: Bounds(0, 3)}
        reader.seek(1, 2)
        assert [record.value async for records in reader.at_least(1) for record in records] == [b"c"]
        await log.write(1, b"d")
        assert await reader.bounds() == {1: Bounds(0, 4)}, "the second answer is no older than the question"


async def test_what_was_there_before_is_passed_over(log: Log) -> None:
    await log.write(0, b"old")
    async with log.reader() as reader:
        await reader.skip_to_end()
        await log.write(0, b"new")
        assert [record.value async for records in reader.at_least(1) for record in records] == [b"new"]


@pytest.mark.kafka
async def test_an_offset_that_the_log_does_not_hold_is_named(log: Log) -> None:
    await log.write(0, b"a")
    async with log.reader([0]) as reader:
        reader.seek(0, 17)
        with pytest.raises(OutOfRange, match="0: 17") as raised:
            async for _ in reader.follow():
                pass
        assert raised.value.offsets == {0: 17}
        reader.seek(0, 0)
        assert [record.value async for records in reader.at_least(1) for record in records] == [b"a"]


async def test_a_topic_that_is_missing_is_named(log: Log) -> None:
    with pytest.raises(TopicError, match="no-such"):
        async with TopicReader(log.settings, f"{log.topic}.no-such"):
            pass
