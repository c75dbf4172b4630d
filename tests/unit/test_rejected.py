"""What stands on the rejected topic, and what is left in memory of it."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord

from streams.rejected import RejectedTopic, Rejection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka import AIOKafkaProducer

MOST_BYTES = 100


class Producer:
    """Takes records of some size; as aiokafka's, it waits for a future."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes | None, bytes | None, dict[str, bytes]]] = []

    async def send_and_wait(
        self, topic: str, value: bytes | None, *, key: bytes | None, partition: int, headers: list[tuple[str, bytes]]
    ) -> None:
        assert (topic, partition) == ("rejected", 0)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if len(value or b"") > MOST_BYTES:
            future.set_exception(MessageSizeTooLargeError())
        else:
            self.sent.append((key, value, dict(headers)))
            future.set_result(None)
        await future


def rejection(key: bytes | None, value: bytes | None) -> Rejection:
    record: Any = ConsumerRecord("events", 3, 7, 0, 1, key, value, None, 0, 0, ())
    return Rejection(record, "too_large", "é")


async def rejected(*rejections: Rejection) -> list[tuple[bytes | None, bytes | None, dict[str, bytes]]]:
    producer = Producer()
    await RejectedTopic(cast("AIOKafkaProducer", producer), "rejected", 5.0).send(rejections)
    return producer.sent


HEADERS = {"topic": b"events", "partition": b"3", "offset": b"7", "error": b"too_large", "detail": "é".encode()}


@pytest.mark.parametrize(
    ("key", "value", "written"), [(b"c", b"x", b"x"), (b"c", None, None), (None, b"x", b"x"), (None, None, b"")]
)
async def test_a_record_stands_there_as_it_came(key: bytes | None, value: bytes | None, written: bytes | None) -> None:
    assert await rejected(rejection(key, value)) == [(key, written, HEADERS)]


async def test_of_one_that_the_topic_does_not_take_the_headers_stand_there() -> None:
    found = await rejected(rejection(b"c", b"x" * 101), rejection(b"c", b"y"))
    assert sorted(found, key=str) == [(None, b"", HEADERS | {"truncated": b"true"}), (b"c", b"y", HEADERS)]


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
async def test_nothing_is_left_of_a_large_one_for_the_collector() -> None:
    """A worker's collector looks seldom, and ten of these are 100 MB."""
    large = rejection(b"c", b"x" * 101)
    left = weakref.ref(large.record)
    await rejected(large)
    del large
    await asyncio.sleep(0)
    assert left() is None
