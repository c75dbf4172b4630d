"""Records to the broker: a batch at a time for each partition, in order; what comes meanwhile is the next batch.

So a busy gateway sends few large batches, an idle one sends at once, and no timer is needed for either. aiokafka sends
a batch again until the broker has taken it or its time is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError

from rules.errors import ServiceError
from streams.http.ingest.limits import RECORD_BYTES
from streams.tasks import end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder

    from streams.http.broker import Broker
    from streams.http.ingest.limits import InFlight

    Receipt = asyncio.Future[None]

log = logging.getLogger(__name__)


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class _Batch:
    """Records that go together; `receipt` is done when the broker has them, or never will."""

    __slots__ = ("bytes_held", "receipt", "records")

    def __init__(self, records: BatchBuilder) -> None:
        self.records = records
        self.bytes_held = 0
        self.receipt: Receipt = asyncio.get_running_loop().create_future()
        # whoever waits for it may have gone away
        self.receipt.add_done_callback(lambda receipt: receipt.cancelled() or receipt.exception())


class Outlet:
    """Takes records, and gives a receipt for each: one for all records of a batch."""

    def __init__(self, broker: Broker, in_flight: InFlight) -> None:
        """Send nothing yet; the bytes of what waits are held in `in_flight`."""
        self._broker = broker
        self._in_flight = in_flight
        self._waiting: dict[Place, deque[_Batch]] = {}
        self._sending: dict[Place, asyncio.Task[None]] = {}

    def put(self, place: Place, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()) -> Receipt:
        """Have a record sent; raises `ServiceError` where there is no broker yet."""
        producer = self._broker.producer
        if producer is None:
            message = "the broker has not been reached yet"
            raise ServiceError(message)
        waiting = self._waiting.setdefault(place, deque())
        if not waiting or not _append(waiting[-1], key, value, headers):
            waiting.append(_Batch(producer.create_batch()))
            _append(waiting[-1], key, value, headers)
        batch = waiting[-1]
        size = len(value) + RECORD_BYTES
        batch.bytes_held += size
        self._in_flight.hold(size)
        if place not in self._sending:
            self._sending[place] = asyncio.create_task(self._send(producer, place, waiting))
        return batch.receipt

    async def close(self, limit_s: float) -> None:
        """Send what waits, for so long."""
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)
        await end(*tasks)

    async def _send(self, producer: AIOKafkaProducer, place: Place, waiting: deque[_Batch]) -> None:
        try:
            while waiting:
                await self._deliver(producer, place, waiting.popleft())
        finally:
            del self._sending[place]
            for batch in waiting:
                self._settle(batch, ServiceError("the gateway stops"))
            waiting.clear()

    async def _deliver(self, producer: AIOKafkaProducer, place: Place, batch: _Batch) -> None:
        fault: Exception | None = ServiceError("the gateway stops")
        try:
            sent = await producer.send_batch(batch.records, place.topic, partition=place.partition)
            await sent
            fault = None
        except KafkaError as error:
            log.warning("%s/%d: the broker did not take a batch: %r", place.topic, place.partition, error)
            fault = error
        finally:
            self._settle(batch, fault)

    def _settle(self, batch: _Batch, fault: Exception | None) -> None:
        self._in_flight.give(batch.bytes_held)
        if fault is None:
            batch.receipt.set_result(None)
        else:
            batch.receipt.set_exception(fault)


def _append(batch: _Batch, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]]) -> bool:
    """Whether the record went in; the first one of a batch always does."""
    return batch.records.append(timestamp=None, key=key, value=value, headers=list(headers)) is not None
