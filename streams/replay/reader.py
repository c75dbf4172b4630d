"""Reads a topic whole, or as it grows, without joining a group."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from rules.errors import ServiceError, TopicError
from streams.topics import count_partitions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

    from aiokafka.structs import ConsumerRecord

    Record = ConsumerRecord[bytes | None, bytes | None]

_POLL_MS = 50
_FETCH_WAIT_MS = 20
_BYTES_A_FETCH = 4 << 20


class TopicReader:
    """All partitions of one topic. Records of one partition come in their order."""

    def __init__(self, broker: str, topic: str, *, deadline_s: float = 30.0) -> None:
        """`deadline_s` bounds each wait for a broker that says nothing."""
        self._broker = broker
        self._topic = topic
        self._deadline_s = deadline_s
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=broker,
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_BYTES_A_FETCH,
        )
        self.places: list[TopicPartition] = []

    async def __aenter__(self) -> Self:
        """Connect, and stand at the topic's beginning; raises `ServiceError` or `TopicError`."""
        try:
            await self._consumer.start()
            # not the consumer's own view of the cluster: at first it is empty, but on the embedded broker
            count = await count_partitions(self._broker, self._topic)
            if not count:
                message = f"{self._topic}: {self._broker} has no such topic; see SEGUE_TOPIC_PREFIX and `segue topics`"
                raise TopicError(message)
            self.places = [TopicPartition(self._topic, partition) for partition in range(count)]
            self._consumer.assign(self.places)
            self._seek(await self._consumer.beginning_offsets(self.places))
        except KafkaError as error:
            await self._consumer.stop()
            raise self._failed(error) from error
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def at_least(self, count: int) -> AsyncIterator[Sequence[Record]]:
        """Yield the next `count` records, which are there or on their way, and those that come along with them.

        Raises `ServiceError`.
        """
        while count > 0:
            records = await self._next()
            count -= len(records)
            yield records

    async def to_end(self) -> AsyncIterator[Sequence[Record]]:
        """Yield all records that are there now; raises `ServiceError`."""
        begins = {place: await self._consumer.position(place) for place in self.places}
        ends = await self.ends()
        self._seek(begins)
        while any([await self._consumer.position(place) < end for place, end in ends.items()]):
            yield [record for record in await self._some() if record.offset < ends[_place(record)]]

    async def skip_to_end(self) -> None:
        """Pass over all records that are there now."""
        self._seek(await self.ends())

    async def follow(self) -> AsyncIterator[Sequence[Record]]:
        """Yield records as they come, without end; raises `ServiceError`."""
        while True:
            yield await self._some()

    async def ends(self) -> Mapping[TopicPartition, int]:
        """Return the high watermarks. The position is anywhere afterwards.

        They are the ones of fetches: the embedded broker answers wrongly when it is asked for them.
        """
        async with self._patience():
            while any(self._consumer.highwater(place) is None for place in self.places):
                await self._consumer.getmany(*self.places, timeout_ms=_POLL_MS, max_records=1)
        return {place: int(self._consumer.highwater(place) or 0) for place in self.places}

    async def _next(self) -> Sequence[Record]:
        async with self._patience():
            while not (records := await self._some()):
                pass
        return records

    async def _some(self) -> Sequence[Record]:
        try:
            found = await self._consumer.getmany(*self.places, timeout_ms=_POLL_MS)
        except KafkaError as error:
            raise self._failed(error) from error
        return [record for records in found.values() for record in records]

    def _seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for place, offset in offsets.items():
            self._consumer.seek(place, offset)

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except (KafkaError, TimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ServiceError:
        return ServiceError(f"{self._topic}: cannot be read: {error!r}; is the broker {self._broker} up?")


def _place(record: Record) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
