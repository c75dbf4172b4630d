"""The topic for records that could not be applied: the bytes as received, and headers that say why."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import AIOKafkaProducer

    from streams.record import Record


class Rejection(NamedTuple):
    """A record and why it was rejected: `reason` is a short stable word, `detail` says more."""

    record: Record
    reason: str
    detail: str


class RejectedTopic:
    """Sends rejections and waits until the broker has them; at least once, since they precede their chunk's commit."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, deadline_s: float) -> None:
        """Use a producer that the caller starts and stops; `deadline_s` bounds one chunk's rejections."""
        self._producer = producer
        self._topic = topic
        self._deadline_s = deadline_s

    async def send(self, rejections: Sequence[Rejection]) -> None:
        """Send them all; raises `ServiceError`."""
        try:
            async with asyncio.timeout(self._deadline_s):
                await asyncio.gather(*[self._send(rejection) for rejection in rejections])
        except (KafkaError, TimeoutError) as error:
            message = f"{self._topic}: cannot write {len(rejections)} rejected records: {error!r}; is the broker up?"
            raise ServiceError(message) from error

    async def _send(self, rejection: Rejection) -> None:
        record, headers = rejection.record, _headers(rejection)
        # a record with neither key nor value is refused by the client
        value = b"" if record.key is None and record.value is None else record.value
        try:
            await self._producer.send_and_wait(self._topic, value, key=record.key, partition=0, headers=headers)
        except MessageSizeTooLargeError as error:
            # its traceback holds the record, and is held by it: a collector that looks seldom would let them pile up
            error.__traceback__ = None
        else:
            return
        # it just fitted into its own topic; the headers say where it still stands
        headers.append(("truncated", b"true"))
        await self._producer.send_and_wait(self._topic, b"", key=None, partition=0, headers=headers)


def _headers(rejection: Rejection) -> list[tuple[str, bytes]]:
    record = rejection.record
    return [
        ("topic", record.topic.encode()),
        ("partition", b"%d" % record.partition),
        ("offset", b"%d" % record.offset),
        ("error", rejection.reason.encode()),
        ("detail", rejection.detail.encode("utf-8", "replace")),
    ]
