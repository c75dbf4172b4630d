"""The outbox to the topic: in order, once, and how far it got."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import InvalidProducerEpoch, KafkaError, NotLeaderForPartitionError, OutOfOrderSequenceNumber
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from rules.errors import Fenced, ServiceError
from state.change import Change
from streams.changes import make_entry
from streams.publisher import Publisher
from streams.signs import Signs

if TYPE_CHECKING:
    from streams.entry import Entry

PLACE = TopicPartition("changes", 0)


class FakeProducer:
    """Takes batches of at most `most_bytes`; answers with offsets, with `answers` first."""

    def __init__(self, most_bytes: int = 100_000) -> None:
        self.most_bytes = most_bytes
        self.counts: list[int] = []
        self.end = 100
        self.answer: BaseException | int | None = None
        self.takes_s = 0.0

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(self.most_bytes, 0, is_transactional=False)

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> asyncio.Future[Any]:
        assert (topic, partition) == PLACE
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        offset = self.end if self.answer is None else self.answer
        self.counts.append(batch.record_count())
        self.end += batch.record_count()
        if isinstance(offset, BaseException):
            future.set_exception(offset)
        else:
            metadata = RecordMetadata(*PLACE, PLACE, offset, None, 1, 0)
            asyncio.get_running_loop().call_later(self.takes_s, future.set_result, metadata)
        return future


class FakeRight:
    """A right over the fake producer; `gone` is raised by `check`."""

    def __init__(self, producer: FakeProducer) -> None:
        self.producer: Any = producer
        self.gone: Exception | None = None

    async def check(self) -> None:
        if self.gone is not None:
            raise self.gone

    async def close(self) -> None:
        pass


def entries(count: int, first: int = 1) -> list[Entry]:
    return [
        make_entry("app", Change("c", seq, "entered", "s", None, None, 0, {}, [], [], "r"), 1)
        for seq in range(first, first + count)
    ]


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer()


@pytest.fixture
def right(producer: FakeProducer) -> FakeRight:
    return FakeRight(producer)


@pytest.fixture
def publisher(right: FakeRight) -> Publisher:
    return Publisher(right, "app", "changes", 0, deadline_s=0.2)


async def test_the_marker_is_the_offset_after_the_last(publisher: Publisher, producer: FakeProducer) -> None:
    await publisher.publish(entries(3))
    assert (publisher.marker, producer.counts) == (103, [3])


async def test_nothing_to_publish_asks_nobody(publisher: Publisher, right: FakeRight) -> None:
    right.gone = Fenced("gone")
    await publisher.publish([])
    assert publisher.marker is None


async def test_what_does_not_fit_into_a_batch_goes_into_the_next(right: FakeRight, producer: FakeProducer) -> None:
    producer.most_bytes = 2_000
    publisher = Publisher(right, "app", "changes", 0, deadline_s=1)
    await publisher.publish(entries(20))
    assert len(producer.counts) > 2
    assert (sum(producer.counts), publisher.marker) == (20, 120)


async def test_an_entry_larger_than_a_batch_goes_alone(right: FakeRight, producer: FakeProducer) -> None:
    producer.most_bytes = 10
    publisher = Publisher(right, "app", "changes", 0, deadline_s=1)
    await publisher.publish(entries(3))
    assert (producer.counts, publisher.marker) == ([1, 1, 1], 103)


async def test_a_success_without_an_offset_leaves_the_marker(publisher: Publisher, producer: FakeProducer) -> None:
    await publisher.publish(entries(1))
    producer.answer = -1
    await publisher.publish(entries(1, first=2))
    assert publisher.marker == 101


@pytest.mark.parametrize("error", [InvalidProducerEpoch(), OutOfOrderSequenceNumber()])
async def test_a_refusal_is_a_fence(publisher: Publisher, producer: FakeProducer, error: KafkaError) -> None:
    producer.answer = error
    with pytest.raises(Fenced, match="refuses this publisher"):
        await publisher.publish(entries(1))


async def test_any_other_error_is_the_services(publisher: Publisher, producer: FakeProducer) -> None:
    producer.answer = NotLeaderForPartitionError()
    with pytest.raises(ServiceError, match="changes/0: cannot publish 1 changes"):
        await publisher.publish(entries(1))


async def test_a_publish_has_a_deadline(publisher: Publisher, right: FakeRight) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    right.check = hang  # type: ignore[method-assign]  # a broker that does not answer
    with pytest.raises(ServiceError, match="TimeoutError"):
        await publisher.publish(entries(1))


async def test_the_deadline_is_each_batchs(right: FakeRight, producer: FakeProducer) -> None:
    """Two batches at a time, 30 in all: 1.5 s of waiting for a broker that gets on."""
    producer.most_bytes, producer.takes_s = 10, 0.1
    publisher = Publisher(right, "app", "changes", 0, deadline_s=1)
    await publisher.publish(entries(30))
    assert publisher.marker == 130


async def test_each_batch_that_the_broker_has_is_a_sign_of_life(right: FakeRight, producer: FakeProducer) -> None:
    producer.most_bytes, signs = 10, Signs()
    publisher = Publisher(right, "app", "changes", 0, deadline_s=1, sign=signs.give)
    await publisher.publish(entries(5))
    assert (signs.of(0), signs.of(3)) == (5, 0)
    assert sum(publisher.took.counts) == 1, "one publication, however many batches"


async def test_a_batch_that_is_not_acknowledged_ends_the_publish(right: FakeRight, producer: FakeProducer) -> None:
    producer.most_bytes, producer.takes_s = 10, 60
    publisher = Publisher(right, "app", "changes", 0, deadline_s=0.1)
    with pytest.raises(ServiceError, match="TimeoutError"):
        await publisher.publish(entries(30))
    assert (len(producer.counts), publisher.marker) == (2, None)


async def test_what_is_out_already_is_not_sent_and_the_marker_waits_for_it(
    publisher: Publisher, producer: FakeProducer
) -> None:
    """After a store was set back, its changes are computed again."""
    first, second = entries(4)[:2], entries(4)[2:]
    publisher.unseen = {first[0].id, second[0].id}
    await publisher.publish(first)
    assert (producer.counts, publisher.marker) == ([1], None)
    await publisher.publish(second)
    assert (producer.counts, publisher.marker, publisher.unseen) == ([1, 1], None, set())
    await publisher.publish(entries(1, first=5))
    assert publisher.marker == 103
