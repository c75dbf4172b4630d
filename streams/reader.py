"""Reads a topic, whole or as it grows, from wherever one says, without joining a group."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from rules.errors import ServiceError, TopicError
from streams.broker_access import client_options
from streams.broker_errors import kept_out, refused
from streams.consumers import stop_consumer
from streams.fence import has_producer_ids
from streams.topics import count_partitions
from streams.unbroken import Unbroken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from aiokafka.structs import ConsumerRecord

    from streams.settings import Settings

    Record = ConsumerRecord[bytes | None, bytes | None]

NO_HURRY_MS = 100
"""How long a fetch may be held where nobody waits for what it finds."""
_POLL_MS = 100
_BYTES_A_FETCH = 4 << 20


class Bounds(NamedTuple):
    """What a partition's log holds: its first offset, and the one after its last."""

    first: int
    end: int


class OutOfRange(ServiceError):
    """Reading stands at an offset that the log has no more, or not yet."""

    def __init__(self, topic: str, offsets: Mapping[int, int]) -> None:
        """`offsets` has for each partition concerned where reading stood."""
        places = ", ".join(f"{partition}: {offset}" for partition, offset in offsets.items())
        super().__init__(
            f"{topic}: the log does not hold these offsets ({places}): they are past retention, or to come"
        )
        self.offsets = offsets


class TopicReader:
    """All partitions of one topic, or some. Records of one partition come in their order."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        *,
        partitions: Iterable[int] | None = None,
        deadline_s: float = 30.0,
        fetch_wait_ms: int = 20,
        fetch_bytes: int = _BYTES_A_FETCH,
    ) -> None:
        """Connect to nothing yet.

        Parameters
        ----------
        partitions
            Which to read of a topic that is there; None asks the broker for all.
        deadline_s
            Bounds each wait for a broker that says nothing.
        fetch_wait_ms
            How long the broker may hold a fetch that finds nothing. Kafka ends it at the first record, the embedded
            broker does not: there it is how late a record may be read.
        fetch_bytes
            How much of each partition is read ahead, about: it stands in memory.
        """
        self._settings = settings
        self._topic = topic
        self._wanted = partitions
        self._deadline_s = deadline_s
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            auto_offset_reset="none",
            enable_auto_commit=False,
            fetch_max_wait_ms=fetch_wait_ms,
            max_partition_fetch_bytes=fetch_bytes,
        )
        self._places: list[TopicPartition] = []
        self._unbroken: dict[int, Unbroken] | None = None

    async def __aenter__(self) -> Self:
        """Connect, and stand at the beginning; raises `ServiceError`, or `TopicError` where there is no such topic."""
        try:
            try:
                async with asyncio.timeout(self._deadline_s):
                    await self._consumer.start()
            except (KafkaError, TimeoutError) as error:
                raise await kept_out(self._settings, f"{self._topic}: cannot be read", error) from error
            # only with that setting is there a broker without producer ids, whose fetches may leave holes
            if self._settings.allow_create_time and not await has_producer_ids(self._settings):
                self._unbroken = {}
            self._places = [TopicPartition(self._topic, partition) for partition in await self._partitions()]
            await self._to_begins()
        except BaseException:
            await stop_consumer(self._consumer)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await stop_consumer(self._consumer)

    @property
    def partitions(self) -> Sequence[int]:
        """The partitions that are read."""
        return [place.partition for place in self._places]

    def seek(self, partition: int, offset: int) -> None:
        """Read a partition on from an offset."""
        self._consumer.seek(TopicPartition(self._topic, partition), offset)
        if self._unbroken is not None:
            self._unbroken[partition] = Unbroken(offset)

    async def position(self, partition: int) -> int:
        """Return the next offset of a partition: it passes what is never handed out. Raises `ServiceError`."""
        async with self._patience():
            return int(await self._consumer.position(TopicPartition(self._topic, partition)))

    def highwater(self, partition: int) -> int | None:
        """Return the end of a partition as of the newest fetch; None before there was one."""
        end = self._consumer.highwater(TopicPartition(self._topic, partition))
        return None if end is None else int(end)

    async def bounds(self) -> dict[int, Bounds]:
        """Return what each partition holds now; reading goes on at its beginning. Raises `ServiceError`.

        Each end is the high watermark of a fetch: the embedded broker answers wrongly when it is asked for it.
        """
        begins = await self._to_begins()
        async with self._patience():
            while any(self._consumer.highwater(place) is None for place in self._places):
                await self._consumer.getmany(*self._places, timeout_ms=_POLL_MS, max_records=1)
        found = {}
        for place in self._places:
            found[place.partition] = Bounds(begins[place.partition], int(self._consumer.highwater(place) or 0))
            self.seek(place.partition, begins[place.partition])
        return found

    async def skip_to_end(self) -> None:
        """Pass over all records that are there now; raises `ServiceError`."""
        for partition, bounds in (await self.bounds()).items():
            self.seek(partition, bounds.end)

    async def some(self) -> Sequence[Record]:
        """Return the next records, after a short wait none.

        Raises
        ------
        OutOfRange
            if a partition stands at an offset that its log does not hold: seek another. The embedded broker does not
            say so, it finds nothing there; `bounds` tells with both.
        ServiceError
            if the broker refuses.
        """
        try:
            found = await self._consumer.getmany(*self._places, timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as error:
            offsets = error.args[0] if error.args else {}
            raise OutOfRange(self._topic, {place.partition: offset for place, offset in offsets.items()}) from error
        except KafkaError as error:
            raise self._failed(error) from error
        return [record for place, records in found.items() for record in self._without_hole(place, records)]

    def _without_hole(self, place: TopicPartition, records: Sequence[Record]) -> Sequence[Record]:
        """Return what stands before the first hole in an embedded broker's fetch; the rest is read again."""
        if self._unbroken is None:
            return records
        whole, hole = self._unbroken[place.partition].take(records)
        if hole is not None:
            self._consumer.seek(place, hole)
        return whole

    async def follow(self) -> AsyncIterator[Sequence[Record]]:
        """Yield records as they come, now and then none, without end; raises as `some` does."""
        while True:
            yield await self.some()

    async def at_least(self, count: int) -> AsyncIterator[Sequence[Record]]:
        """Yield the next `count` records, which are there or on their way, and those that come along with them.

        Raises `ServiceError`.
        """
        while count > 0:
            async with self._patience():
                while not (records := await self.some()):
                    pass
            count -= len(records)
            yield records

    async def to_end(self) -> AsyncIterator[Sequence[Record]]:
        """Yield all records that are there now, from the first, and those that come along with the last of them.

        Reading goes on behind them. Raises `ServiceError`.
        """
        ends = {partition: bounds.end for partition, bounds in (await self.bounds()).items()}
        # the position passes what compaction and control records leave out
        while any([await self.position(partition) < end for partition, end in ends.items()]):
            async with self._patience():
                records = await self.some()
            yield records

    async def _partitions(self) -> Iterable[int]:
        if self._wanted is not None:
            return self._wanted
        # not the consumer's own view of the cluster: at first it is empty, but on the embedded broker
        count = await count_partitions(self._settings, self._topic)
        if not count:
            broker = self._settings.broker
            message = f"{self._topic}: {broker} has no such topic; see SEGUE_TOPIC_PREFIX and `segue topics`"
            raise TopicError(message)
        return range(count)

    async def _to_begins(self) -> dict[int, int]:
        self._consumer.assign(self._places)  # anew: a high watermark of an earlier fetch is forgotten
        async with self._patience():
            begins = await self._consumer.beginning_offsets(self._places)
        for place, first in begins.items():
            self.seek(place.partition, first)
        return {place.partition: int(first) for place, first in begins.items()}

    @contextlib.asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._deadline_s):
                yield
        except (KafkaError, TimeoutError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ServiceError:
        return refused(self._settings, f"{self._topic}: cannot be read at {self._settings.broker}", error)
