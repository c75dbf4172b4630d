"""What store and broker themselves say of partitions that do not get on, asked past the worker's own clients.

A client that has died in silence believes that nothing waits. So these are asked with a consumer of their own, and the
store for the offset: an answer also says that both services are there, and that a worker which does not get on has a
fault of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from rules.errors import SegueError
from state.store import NO_OFFSET
from streams.broker_access import client_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from streams.parts import Parts
    from streams.settings import Settings

PATIENCE_S = 10.0
"""Who has not answered by then is away."""

_STOP_S = 2.0
_POLL_MS = 100
_FETCH_WAIT_MS = 20
_FETCH_BYTES = 1 << 20


class Found(NamedTuple):
    """Where a partition stands: the next offset to apply, the log's end, and whether a record waits in between."""

    offset: int
    end: int
    waits: bool


async def ask(parts: Parts, partitions: Iterable[int]) -> dict[int, Found]:
    """Return what is found of each partition; those are left out of which a service did not answer in time."""
    found: dict[int, Found] = {}
    with contextlib.suppress(TimeoutError, KafkaError, SegueError):
        async with asyncio.timeout(PATIENCE_S):
            offsets = {partition: (await parts.store.head(partition)).offset for partition in partitions}
            async with _consumer(parts.settings) as consumer:
                await _look(consumer, parts.topics.events, offsets, found)
    return found


async def broker_away(parts: Parts) -> str:
    """Return what the broker said to a client of its own, or that it said nothing; an empty text where it answers."""
    try:
        async with asyncio.timeout(PATIENCE_S), _consumer(parts.settings):
            return ""
    except (TimeoutError, KafkaError) as error:
        return f"{parts.settings.broker}: the broker does not answer: {error!r}"


async def _look(consumer: AIOKafkaConsumer, topic: str, offsets: dict[int, int], found: dict[int, Found]) -> None:
    """Fetch at each offset, until a record came or the position has passed to the end."""
    left = {TopicPartition(topic, partition): offset for partition, offset in offsets.items()}
    consumer.assign(list(left))
    if new := [place for place, offset in left.items() if offset == NO_OFFSET]:
        left |= await consumer.beginning_offsets(new)
    for place, offset in left.items():
        consumer.seek(place, offset)
    while left:
        try:
            records = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=1)
        except OffsetOutOfRangeError as error:
            for place in error.args[0]:
                left.pop(place, None)  # the worker's own reading says so, and ends with it
            continue
        for place, offset in list(left.items()):
            end = consumer.last_stable_offset(place)
            # the position passes control records, which are never delivered
            if end is None or (place not in records and await consumer.position(place) < end):
                continue
            found[place.partition] = Found(left.pop(place), max(end, offset), place in records)


@contextlib.asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        auto_offset_reset="none",
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        with contextlib.suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(_STOP_S):
                await consumer.stop()
