"""Reads the change topic into the history: which partition is this process's to read, `streams/http/owning.py` says."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from prometheus_client import Counter

from rules.errors import ServiceError, UnknownFormat
from state.history import Batch
from streams.changes import SOURCE_HEADER, source_of
from streams.http.lookup.kept import seen
from streams.reader import TopicReader
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from state.history import History, Seen
    from streams.http.parts import HttpParts
    from streams.reader import Record

log = logging.getLogger(__name__)

_RECORDS_A_BATCH = 250
_FETCH_WAIT_MS = 200  # nobody waits for the history; each partition has a consumer, and an idle one should cost little
_TICK_S = 3.0
_ON_ITS_WAY_MS = 1_000  # what went out so lately may be in no fetch yet
_BEYOND_S = 1.0


class Projector:
    """The work of each partition."""

    def __init__(self, parts: HttpParts, history: History) -> None:
        """Read nothing yet."""
        self._settings = parts.settings
        self._broker = parts.broker
        self._history = history
        self._source = source_of(parts.settings.app_id)
        self._changes = Counter(
            "segue_history_changes", "Changes taken into the history.", registry=parts.metrics.registry
        )
        self._gaps = Counter(
            "segue_history_gaps",
            "Times that the change topic did not hold the offset up to which it had been read.",
            registry=parts.metrics.registry,
        )

    async def run(self, partition: int) -> None:
        """Read one partition from where its history stands, without end.

        Raises
        ------
        Fenced
            if another process reads it as well.
        ServiceError
            if broker or Redis is away, or the topic no longer holds what comes next.
        """
        topic = Topics.named(self._settings).changes
        reader = TopicReader(self._settings, topic, partitions=[partition], fetch_wait_ms=_FETCH_WAIT_MS)
        async with reader:
            before = await self._begin(reader, partition)
            ticked_s = 0.0
            async for records in reader.follow():
                for part in _parts(records):
                    before = await self._take(partition, before, part)
                if (
                    not records
                    and time.monotonic() - ticked_s > _TICK_S
                    and await self._tick(reader, partition, before)
                ):
                    ticked_s = time.monotonic()

    async def _begin(self, reader: TopicReader, partition: int) -> int:
        """Seek where reading goes on, and return that offset; the history stands there."""
        stored = (await self._history.place(partition)).offset
        first, end = (await reader.bounds())[partition]
        if stored is not None and stored > end:
            await asyncio.sleep(_BEYOND_S)  # after an election the new leader may for a moment not know how far it is
            first, end = (await reader.bounds())[partition]
        begin = first if stored is None or not first <= stored <= end else stored
        if stored != begin:
            if stored is not None:
                self._gaps.inc()
                log.warning(
                    "the history of partition %d stands at offset %d, but the topic has %d to %d (it was created anew, "
                    "or retention was faster): it goes on from %d. Changes between are missing in it",
                    *(partition, stored, first, end, begin),
                )
            await self._history.write(partition, Batch(stored, begin, 0))
        reader.seek(partition, begin)
        return begin

    async def _take(self, partition: int, before: int, records: Sequence[Record]) -> int:
        changes = list(self._changes_in(records))
        after = records[-1].offset + 1
        # a worker whose clock is ahead has read no further, and must not end the day
        read_to_ms = min(max((change.emitted_ms for change in changes), default=0), _now_ms())
        await self._history.write(partition, Batch(before, after, read_to_ms, changes))
        self._changes.inc(len(changes))
        return after

    async def _tick(self, reader: TopicReader, partition: int, before: int) -> bool:
        """Note that all is read, where it is: a day passes also while nothing comes. Return whether it was."""
        read_to_ms = _now_ms() - _ON_ITS_WAY_MS
        try:
            await self._broker.check()  # one that is away has nothing to read either
        except ServiceError:
            return False
        end = reader.highwater(partition)
        if end is not None and end < before:
            message = f"the change topic ends at {end}, before what was read of it: it was created anew or truncated"
            raise ServiceError(message)
        if end is None or await reader.position(partition) < end:
            return False
        await self._history.write(partition, Batch(before, before, read_to_ms))
        return True

    def _changes_in(self, records: Iterable[Record]) -> Iterator[Seen]:
        for record in records:
            if record.value is None or dict(record.headers).get(SOURCE_HEADER) != self._source:
                continue  # another app's
            try:
                yield seen(self._settings.app_id, record.value)
            except UnknownFormat as error:
                log.warning(
                    "%s/%d, offset %d: %s; it is left out", record.topic, record.partition, record.offset, error
                )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _parts(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for at in range(0, len(records), _RECORDS_A_BATCH):
        yield records[at : at + _RECORDS_A_BATCH]
