"""Changes to Kafka, once: the outbox of one partition, published by the one worker that may.

What the store has committed and nobody has seen yet stands in the outbox. Publishing sends it in order and remembers
how far the broker has acknowledged it; the next commit trims that much and moves the marker, the offset from which a
later owner looks for what is already out.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from rules.dates import format_ms
from rules.errors import Fenced, ServiceError
from streams.changes import record_of
from streams.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiokafka.producer.message_accumulator import BatchBuilder
    from aiokafka.structs import RecordMetadata

    from streams.entry import Entry
    from streams.fence import Right

_AHEAD = 1
"""Batches on their way while the next one is made."""

_REFUSED = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, OutOfOrderSequenceNumber)


def _no_sign(partition: int) -> None:
    del partition


class Publisher:
    """Publishes one tenure's changes.

    `marker` is the offset after the last acknowledged change, None until one was acknowledged with its offset.
    `unseen` are the ids found on the topic that no outbox entry accounts for: a store that was set back computes
    them again, and they are not sent twice.
    """

    def __init__(
        self,
        right: Right,
        app_id: str,
        topic: str,
        partition: int,
        *,
        deadline_s: float,
        sign: Callable[[int], None] = _no_sign,
    ) -> None:
        """`deadline_s` bounds the wait for each batch of 1 MB: an idempotent producer would retry for ever.

        `sign` is told the partition at each batch that the broker has; `took` times what was published.
        """
        self._right = right
        self._app_id = app_id
        self._topic = topic
        self._partition = partition
        self._deadline_s = deadline_s
        self._sign = sign
        self.took = Timing()
        self.marker: int | None = None
        self.unseen: set[str] = set()

    async def publish(self, entries: Sequence[Entry]) -> None:
        """Send them in order and wait until the broker has them all; raises `Fenced` or `ServiceError`."""
        wanted = [entry for entry in entries if entry.id not in self.unseen] if self.unseen else entries
        if wanted:
            try:
                with self.took.measured():
                    end = await self._send(wanted)
            except _REFUSED as error:
                message = f"partition {self._partition}: the broker refuses this publisher ({error!r}): another has it"
                raise Fenced(message) from None
            except (KafkaError, TimeoutError) as error:
                message = f"{self._topic}/{self._partition}: cannot publish {len(wanted)} changes: {error!r}"
                raise ServiceError(message) from error
            if end is not None and not self.unseen:
                self.marker = end
        if self.unseen:
            self.unseen.difference_update(entry.id for entry in entries)

    async def close(self) -> None:
        """Give up the right to publish."""
        await self._right.close()

    async def _send(self, entries: Sequence[Entry]) -> int | None:
        """Return the offset after the last one, None where the broker did not say (a repeat it had already)."""
        waiting: deque[asyncio.Future[RecordMetadata]] = deque()
        offset = count = 0
        try:
            for batch, count in self._batches(entries):  # noqa: B007 - the last one's is needed
                async with asyncio.timeout(self._deadline_s):
                    await self._right.check()
                    sent = await self._right.producer.send_batch(batch, self._topic, partition=self._partition)
                waiting.append(sent)
                if len(waiting) > _AHEAD:
                    await self._acknowledged(waiting)
            while waiting:
                offset = await self._acknowledged(waiting)
        finally:
            for sent in waiting:
                sent.add_done_callback(_forget)
        return offset + count if offset >= 0 else None

    async def _acknowledged(self, waiting: deque[asyncio.Future[RecordMetadata]]) -> int:
        """Wait for the oldest batch on its way; return its offset."""
        async with asyncio.timeout(self._deadline_s):
            metadata = await waiting[0]
        waiting.popleft()
        self._sign(self._partition)
        return int(metadata.offset)

    def _batches(self, entries: Sequence[Entry]) -> Iterator[tuple[BatchBuilder, int]]:
        """Yield batches that the broker takes, each with its number of records."""
        emitted_at = format_ms(time.time_ns() // 1_000_000)
        batch, count = self._right.producer.create_batch(), 0
        for entry in entries:
            key, value, headers = record_of(self._app_id, entry, emitted_at)
            if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                yield batch, count
                batch, count = self._right.producer.create_batch(), 0
                batch.append(key=key, value=value, timestamp=None, headers=headers)
            count += 1
        yield batch, count


def _forget(sent: asyncio.Future[RecordMetadata]) -> None:
    """Ask for the outcome of a batch that nobody waits for any more, so that asyncio does not complain of it."""
    if not sent.cancelled():
        sent.exception()
