"""A topic as it grows: all its records, read by a consumer that belongs to no group."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.consumers import stop_consumer
from streams.unbroken import Unbroken
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiokafka.structs import ConsumerRecord

    Record = ConsumerRecord[bytes | None, bytes | None]

QUIET_MS = 100
ENOUGH_S = 0.5


class Topic:
    """Partition → its records so far, in order. Control records of transactions leave gaps in the offsets."""

    def __init__(self, consumer: AIOKafkaConsumer, name: str, partitions: int, *, unbroken: bool) -> None:
        """Use `follow`."""
        self._consumer = consumer
        self._unbroken = {partition: Unbroken(0) for partition in range(partitions)} if unbroken else None
        self._places = [TopicPartition(name, partition) for partition in range(partitions)]
        self.records: dict[int, list[Record]] = {partition: [] for partition in range(partitions)}
        self.ends = dict.fromkeys(range(partitions), 0)

    @classmethod
    @contextlib.asynccontextmanager
    async def follow(cls, broker: str, name: str, partitions: int, *, unbroken: bool) -> AsyncIterator[Topic]:
        """Stand at the beginning. `unbroken` is for the embedded broker."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=broker,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=4 << 20,
        )
        try:
            await consumer.start()
            yield cls(consumer, name, partitions, unbroken=unbroken)
        finally:
            await stop_consumer(consumer)

    @property
    def count(self) -> int:
        """The number of records so far."""
        return sum(map(len, self.records.values()))

    async def catch_up(self) -> None:
        """Read on to the end: until nothing more comes for a moment, or for long enough where ticks never cease."""
        self._consumer.assign(self._places)  # anew, to forget where the partitions ended when last looked at
        for place in self._places:
            self._consumer.seek(place, self.ends[place.partition])
        async with asyncio.timeout(PATIENCE_S) as deadline:
            there_s: float | None = None
            while there_s is None or time.monotonic() - there_s < ENOUGH_S:
                came, at_end = await self._some(), await self._at_end()
                if came and not at_end:
                    deadline.reschedule(asyncio.get_running_loop().time() + PATIENCE_S)
                if at_end and not came:
                    return
                if at_end and there_s is None:
                    there_s = time.monotonic()

    async def _some(self) -> bool:
        found = await self._consumer.getmany(*self._places, timeout_ms=QUIET_MS)
        for place, records in found.items():
            self.records[place.partition] += self._without_hole(place, records)
        return bool(found)

    def _without_hole(self, place: TopicPartition, records: Sequence[Record]) -> Sequence[Record]:
        if self._unbroken is None:
            return records
        whole, hole = self._unbroken[place.partition].take(records)
        if hole is not None:
            self._consumer.seek(place, hole)
        return whole

    async def _at_end(self) -> bool:
        """Note how far each partition is read, and say whether that is all."""
        at_end = True
        for place in self._places:
            end, position = self._consumer.highwater(place), await self._consumer.position(place)
            self.ends[place.partition] = position
            at_end = at_end and end is not None and position >= end
        return at_end
