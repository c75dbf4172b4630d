"""Released samples to `training-samples`: in the order of their commits, at least once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import AIOKafkaProducer
    from aiokafka.producer.message_accumulator import BatchBuilder


class SamplesTopic:
    """Sends samples, and knows how far the topic goes by its own doing.

    No fence is needed: what a former owner of a partition still sends was committed before, and is sent again by the
    next owner before anything newer; the trainer skips what it has had.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, deadline_s: float) -> None:
        """Use a producer that the caller starts and stops; `deadline_s` bounds the wait for each batch of 1 MB."""
        self._producer = producer
        self._topic = topic
        self._deadline_s = deadline_s
        self.end = 0
        """The offset after the last sample sent from here."""

    async def send(self, samples: Sequence[bytes]) -> None:
        """Send them in order and wait until the broker has them all; raises `ServiceError`."""
        try:
            for batch in self._batches(samples):
                # one at a time: no sample may stand before one that was released earlier in its partition
                async with asyncio.timeout(self._deadline_s):
                    sent = await self._producer.send_batch(batch, self._topic, partition=0)
                    metadata = await sent
                self.end = max(self.end, metadata.offset + batch.record_count())
        except (KafkaError, TimeoutError) as error:
            message = f"{self._topic}: cannot write {len(samples)} samples: {error!r}; is the broker up?"
            raise ServiceError(message) from error

    def _batches(self, samples: Sequence[bytes]) -> Iterator[BatchBuilder]:
        batch = self._producer.create_batch()
        for value in samples:
            if batch.append(key=None, value=value, timestamp=None) is None:
                yield batch
                batch = self._producer.create_batch()
                batch.append(key=None, value=value, timestamp=None)
        if batch.record_count():
            yield batch
