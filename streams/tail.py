"""What is already out: the end of one change partition, read when the partition is taken over.

`ListOffsets(LATEST)` is not asked: the embedded broker answers it wrongly. The high watermark of a fetch is right
everywhere, and a fetch made after the fence's barrier covers all that a former owner wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from rules.errors import StateError
from state.store import NO_OFFSET
from streams.broker_access import client_options
from streams.broker_errors import refused
from streams.changes import COMMIT_HEADER, SOURCE_HEADER, source_of
from streams.consumers import stop_consumer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiokafka.structs import ConsumerRecord

    from streams.settings import Settings

_POLL_MS = 100
_FETCH_WAIT_MS = 20
_FETCH_BYTES = 4 << 20


class _Seen(msgspec.Struct):
    id: str
    customer_id: str
    seq: int


_decode_seen = msgspec.json.Decoder(_Seen).decode


class Out(NamedTuple):
    """A change that is out: the number of the commit that made it, its customer and its `seq`."""

    commit: int
    customer: str
    seq: int


@dataclass(frozen=True, slots=True)
class Tail:
    """The changes of one app in [start, end) of a change partition, by id."""

    start: int
    end: int
    out: dict[str, Out]


class TailReader:
    """Reads ends of partitions, with a consumer of its own for each reading."""

    def __init__(
        self, settings: Settings, topic: str, *, deadline_s: float, sign: Callable[[int], None] | None = None
    ) -> None:
        """`topic` is the change topic; `deadline_s` bounds one reading's wait for progress, which `sign` is told of."""
        self._settings = settings
        self._source = source_of(settings.app_id)
        self._topic = topic
        self._deadline_s = deadline_s
        self._sign = sign

    async def read(self, partition: int, marker: int) -> Tail:
        """Read from the marker (or the log's start, where that is later) to the high watermark.

        With `marker` NO_OFFSET the whole partition is read, until the first change of this app.

        Raises
        ------
        StateError
            if the marker lies beyond the partition's end: the topic was created anew or truncated.
        ServiceError
            if the broker cannot be read.
        """
        place = TopicPartition(self._topic, partition)
        async with _consumer(self._settings, place) as consumer:
            first = (await consumer.beginning_offsets([place]))[place]
            start = max(marker, first)
            out: dict[str, Out] = {}
            end = await self._end(consumer, place, start)
            if start > end:
                raise StateError(self._beyond(partition, marker, end))
            async for record in self._records(consumer, place, start, end):
                headers = dict(record.headers)
                if headers.get(SOURCE_HEADER) == self._source and COMMIT_HEADER in headers:
                    seen = _decode_seen(record.value or b"")
                    out[seen.id] = Out(int(headers[COMMIT_HEADER]), seen.customer_id, seen.seq)
                    if marker == NO_OFFSET:
                        break
            return Tail(start, end, out)

    async def _end(self, consumer: AIOKafkaConsumer, place: TopicPartition, start: int) -> int:
        """Return the high watermark of a first fetch at `start`, whose records are read again later."""
        consumer.seek(place, start)
        async with asyncio.timeout(self._deadline_s):
            while (end := consumer.highwater(place)) is None:
                try:
                    await consumer.getmany(place, timeout_ms=_POLL_MS, max_records=1)
                except OffsetOutOfRangeError:
                    return -1
        return int(end)

    async def _records(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, start: int, end: int
    ) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
        consumer.seek(place, start)
        while True:
            async with asyncio.timeout(self._deadline_s):
                # the position passes control records, which are never delivered
                while not (records := (await consumer.getmany(place, timeout_ms=_POLL_MS)).get(place)):
                    if await consumer.position(place) >= end:
                        return
            if self._sign is not None:
                self._sign(place.partition)
            for record in _below(records, end):
                yield record
            if records[-1].offset + 1 >= end:
                return

    def _beyond(self, partition: int, marker: int, end: int) -> str:
        return (
            f"{self._topic}/{partition}: the store says that changes up to offset {marker} were published, but the "
            f"partition ends at {max(end, 0)}: the topic was created anew or truncated. Give the app another "
            "SEGUE_APP_ID, or remove its state and start with --from-scratch"
        )


def _below(records: list[ConsumerRecord[bytes, bytes]], end: int) -> Iterator[ConsumerRecord[bytes, bytes]]:
    return (record for record in records if record.offset < end)


@contextlib.asynccontextmanager
async def _consumer(settings: Settings, place: TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    """Run a consumer of one partition that belongs to no group; its errors become `ServiceError`."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        auto_offset_reset="none",
        enable_auto_commit=False,
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        await consumer.start()
        consumer.assign([place])
        yield consumer
    except (KafkaError, TimeoutError) as error:
        raise refused(settings, f"{place.topic}/{place.partition}: cannot read", error) from error
    finally:
        await stop_consumer(consumer)
