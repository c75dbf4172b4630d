"""Reads a topic of one partition, from wherever, without joining a group: samples, and the versions of models."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from rules.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from aiokafka.structs import ConsumerRecord

    Record = ConsumerRecord[bytes | None, bytes | None]

_POLL_MS = 200
_FETCH_WAIT_MS = 100
_BYTES_A_FETCH = 4 << 20


class OnePartition:
    """Partition 0 of a topic that is there."""

    def __init__(self, broker: str, topic: str, *, deadline_s: float) -> None:
        """`deadline_s` bounds each wait for a broker that says nothing."""
        self._place = TopicPartition(topic, 0)
        self._deadline_s = deadline_s
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=broker,
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            max_partition_fetch_bytes=_BYTES_A_FETCH,
        )

    async def __aenter__(self) -> Self:
        """Connect; raises `ServiceError`."""
        try:
            async with self._patience():
                await self._consumer.start()
            self._consumer.assign([self._place])
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def bounds(self) -> tuple[int, int]:
        """Return the log's first offset and the one after its last; reading begins at the first; raises `ServiceError`.

        The end is the high watermark of a fetch: the embedded broker answers wrongly when it is asked for it.
        """
        async with self._patience():
            first = (await self._consumer.beginning_offsets([self._place]))[self._place]
            self._consumer.seek(self._place, first)
            while (end := self._consumer.highwater(self._place)) is None:
                await self._consumer.getmany(self._place, timeout_ms=_POLL_MS, max_records=1)
        self._consumer.seek(self._place, first)
        return int(first), int(end)

    def seek(self, offset: int) -> None:
        """Read on from an offset."""
        self._consumer.seek(self._place, offset)

    async def some(self) -> Sequence[Record]:
        """Return the next records, after a short wait none; raises `ServiceError`."""
        try:
            return (await self._consumer.getmany(self._place, timeout_ms=_POLL_MS)).get(self._place, [])
        except KafkaError as error:
            raise self._failed(error) from error

    async def to_end(self) -> AsyncIterator[Sequence[Record]]:
        """Yield all records that are there now, from the first; then reading goes on after them."""
        _, end = await self.bounds()
        # the position passes what compaction and control records leave out
        while await self._position() < end:
            async with self._patience():
                records = await self.some()
            yield records

    async def _position(self) -> int:
        async with self._patience():
            return int(await self._consumer.position(self._place))

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except (KafkaError, TimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ServiceError:
        return ServiceError(f"{self._place.topic}: cannot be read: {error!r}; is the broker up?")
