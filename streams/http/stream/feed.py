"""Reads the changes into the hub: one reading for all clients, which outlives the broker's absences."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from rules.errors import ServiceError
from streams.changes import source_of
from streams.http.stream.entries import change_in
from streams.http.stream.gaps import compare
from streams.http.stream.position import Position, mark_of
from streams.http.stream.ring import BATCH_BYTES
from streams.reader import OutOfRange, TopicReader
from streams.tasks import end
from streams.topic_ids import topic_ids
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streams.http.stream.entries import Change
    from streams.http.stream.hub import Hub
    from streams.http.stream.metrics import StreamMetrics
    from streams.reader import Bounds, Record
    from streams.settings import Settings

log = logging.getLogger(__name__)

RECORDS_BEFORE = 8_000
"""Read from before the end when a process starts, of all partitions together: so who was connected to the process
before it goes on from memory."""

CHECK_S = 2.0
"""How often the topic is asked whether it is still the same: a broker that came back empty says nothing by itself."""

_ANSWER_S = 2.0
_FETCH_BYTES = 1 << 20
_SLICE_BYTES = 4 * BATCH_BYTES
_PACE_S = 0.02
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class Feed:
    """The task that reads; `ready` is set once the hub stands at the end for the first time."""

    def __init__(self, settings: Settings, hub: Hub, metrics: StreamMetrics) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._topic = Topics.named(settings).changes
        self._source = source_of(settings.app_id)
        self._hub = hub
        self._metrics = metrics
        self.ready = asyncio.Event()
        self._asking = asyncio.Lock()

    async def run(self) -> None:
        """Read for ever."""
        pause_s, said = _FIRST_PAUSE_S, ""
        while True:
            try:
                async with TopicReader(self._settings, self._topic, fetch_bytes=_FETCH_BYTES) as reader:
                    await self._place(reader)
                    pause_s, said = _FIRST_PAUSE_S, ""
                    await self._follow(reader)
            except OutOfRange as error:
                log.warning("%s; looking where to go on", error)
            except ServiceError as error:
                if str(error) != said:
                    log.warning("the stream waits: %s; trying again", error)
                said = str(error)
            except Exception:  # whatever it was, clients wait for what comes next
                log.exception("the stream's reading failed; beginning anew where it stood")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def mark(self) -> bytes:
        """Return the mark of the topic that there is now; raises `ServiceError`."""
        ids = await topic_ids(self._settings, [self._topic])
        return mark_of(self._settings.app_id, self._topic, ids.get(self._topic, ""))

    async def _place(self, reader: TopicReader) -> None:
        """Go on where the hub stands, or begin a little before the end."""
        hub, mark, bounds = self._hub, await self.mark(), await reader.bounds()
        if hub.position is None:
            before = RECORDS_BEFORE // len(bounds)
            hub.begin(Position(mark, [max(bounds[one].first, bounds[one].end - before) for one in sorted(bounds)]))
        else:
            self._go_on(hub.position, mark, bounds)
        assert hub.position is not None  # noqa: S101 - one of the two has placed it
        for partition, offset in enumerate(hub.position.offsets):
            reader.seek(partition, offset)
        if not self.ready.is_set():
            while not all([await reader.position(one) >= bound.end for one, bound in bounds.items()]):
                await self._take(await reader.some())
            await self._pass(reader)
            self.ready.set()

    def _go_on(self, position: Position, mark: bytes, bounds: Mapping[int, Bounds]) -> None:
        found = compare(position, mark, len(bounds), bounds)
        if position.mark != mark or found.back or len(position.offsets) != len(bounds):
            log.warning("%s is not what was read before: clients are told of the gap", self._topic)
            self._hub.reset(found.position, found.gaps)
        elif found.gaps:
            log.warning("%s: changes went past retention before they were read: clients are told", self._topic)
            self._hub.skip(found.gaps)
        else:
            return
        self._metrics.gaps.inc(len(found.gaps))

    async def _follow(self, reader: TopicReader) -> None:
        position = self._hub.position
        assert position is not None  # noqa: S101 - it was placed before it is followed
        checking = asyncio.create_task(self._until_another(position.mark))
        clock = asyncio.get_running_loop().time
        passed_s = clock()
        try:
            while not checking.done():
                await self._take(await reader.some())
                if clock() - passed_s > CHECK_S:
                    passed_s = clock()
                    if _is_beyond(reader, position):
                        return
                    await self._pass(reader)
        finally:
            # not in the middle of a question: aiokafka would leave a connection half made
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ANSWER_S), self._asking:
                    checking.cancel()
            await end(checking)

    async def _until_another(self, mark: bytes) -> None:
        """Return once the topic has another mark; a broker that is away has said nothing."""
        while True:
            await asyncio.sleep(CHECK_S)
            with contextlib.suppress(ServiceError):
                async with self._asking:
                    if await self.mark() != mark:
                        return

    async def _pass(self, reader: TopicReader) -> None:
        """Go past what is never handed out: control records, and what compaction took."""
        self._hub.take((), {partition: await reader.position(partition) for partition in reader.partitions})

    async def _take(self, records: Sequence[Record]) -> None:
        for number, changes in enumerate(_slices(records, self._source)):
            if number and self._hub.lag() > self._hub.ring.size // 2:
                await asyncio.sleep(_PACE_S)
            self._hub.take(changes, {})
            await asyncio.sleep(0)  # whoever can take it has it before there is more
        self._hub.take((), {record.partition: record.offset + 1 for record in records})


def _is_beyond(reader: TopicReader, position: Position) -> bool:
    """Whether a log ends before where it was read to: the broker has lost it, and does not say so by itself."""
    ends = [reader.highwater(partition) for partition in reader.partitions]
    return any(end is not None and end < offset for end, offset in zip(ends, position.offsets, strict=True))


def _slices(records: Sequence[Record], source: bytes) -> Iterator[list[Change]]:
    found: list[Change] = []
    size = 0
    for record in records:
        change = change_in(record, source)
        if change is not None:
            found.append(change)
            size += len(change.data)
            if size > _SLICE_BYTES:
                yield found
                found, size = [], 0
    if found:
        yield found
