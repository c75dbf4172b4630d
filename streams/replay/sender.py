"""A file's records to the event topic, in their order, each to the partition that its key's hash names."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from rules.errors import EventRejected, ServiceError
from streams.events import decode_event

if TYPE_CHECKING:
    import asyncio

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from streams.clocks import Clock

MOST_IN_BATCH = 1_000
"""Records; smaller than the broker's bound of bytes allows, so that applying begins while others are being sent."""


class Sender:
    """Gathers records into a batch a partition and sends full ones; one at a time a partition, so that none overtakes.

    `ends` has, for each partition written to, the offset after its last acknowledged record.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, partitions: int) -> None:
        """Begin with nothing sent."""
        self.ends: dict[int, int] = {}
        self._producer = producer
        self._topic = topic
        self._partitions = partitions
        self._filling: dict[int, BatchBuilder] = {}
        self._sent: dict[int, tuple[asyncio.Future[RecordMetadata], int]] = {}

    async def send(self, key: bytes, value: bytes) -> None:
        """Put one record into its partition's batch, and send the batch where it is full."""
        partition = partition_of(key, self._partitions)
        batch = self._filling.get(partition)
        if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
            if batch is not None:
                await self._send(partition)
            batch = self._filling[partition] = self._producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
        elif batch.record_count() >= MOST_IN_BATCH:
            await self._send(partition)

    async def flush(self) -> None:
        """Send what is left and wait until the broker has everything; raises `ServiceError`."""
        for partition in list(self._filling):
            await self._send(partition)
        for partition in list(self._sent):
            await self._acknowledged(partition)

    async def _send(self, partition: int) -> None:
        await self._acknowledged(partition)
        batch = self._filling.pop(partition)
        count = batch.record_count()
        try:
            self._sent[partition] = await self._producer.send_batch(batch, self._topic, partition=partition), count
        except KafkaError as error:
            raise self._failed(partition, error) from error

    async def _acknowledged(self, partition: int) -> None:
        if partition in self._sent:
            sent, count = self._sent.pop(partition)
            try:
                self.ends[partition] = (await sent).offset + count
            except KafkaError as error:
                raise self._failed(partition, error) from error

    def _failed(self, partition: int, error: KafkaError) -> ServiceError:
        return ServiceError(f"{self._topic}/{partition}: cannot send events: {error!r}; is the broker up?")


def key_of(line: bytes, clock: Clock) -> bytes:
    """Return the key that a record wants: the event's own customer id.

    What is no event has none: it goes out with an empty key, and the worker says why it is rejected.
    """
    try:
        return decode_event(line, 0, clock).customer.encode()
    except EventRejected:
        return b""


@lru_cache(maxsize=1 << 17)  # murmur2 in Python takes 10 µs and more
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's own clients send a key to: the positive murmur2 hash, modulo."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
