"""What a client has missed, read from Kafka by a reader of its own until the ring has the rest."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from streams.http.errors import later
from streams.http.stream.entries import change_entry, change_in, gap_entry
from streams.http.stream.ring import BATCH_BYTES
from streams.http.stream.wanted import Chosen

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
    from typing import Protocol

    from streams.http.stream.entries import Gap
    from streams.http.stream.hub import Hub
    from streams.http.stream.position import Position
    from streams.http.stream.subscriber import Subscriber
    from streams.http.stream.wanted import Wanted
    from streams.reader import Record

    class Source(Protocol):
        """What is asked of a reader (`streams.reader.TopicReader`)."""

        @property
        def partitions(self) -> Sequence[int]:
            """The partitions that are read."""

        async def some(self) -> Sequence[Record]:
            """Return the next records, after a short wait none."""

        async def position(self, partition: int) -> int:
            """Return the next offset of a partition."""


READERS = 4
"""How many catch up at once: each holds what it has read ahead."""

VISITORS_READERS = 2
"""Likewise, of those who come with a token."""

WAITING = 500
FETCH_BYTES = 256 * 1024

_PULSE_S = 15.0


class Turns:
    """Who may catch up: few at once, the others in turn, and no more than can be served soon."""

    def __init__(self, readers: int, waiting: int = WAITING) -> None:
        """Everybody is still to come."""
        self._free = asyncio.Semaphore(readers)
        self._most_waiting = waiting
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have a reader for as long as the context lasts; raises `HttpError` (503) where too many wait."""
        if self._waiting >= self._most_waiting:
            raise later(503, "too_many_catch_ups", "too many clients are catching up; come again", 2)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


async def catch_up(
    hub: Hub, reader: Source, source: bytes, position: Position, subscriber: Subscriber
) -> AsyncGenerator[Chosen, None]:
    """Yield what is between a position, at which the reader stands, and what the ring has; the position moves along.

    What is asked for may not come for long: then its id comes by itself. It is over, too, where the subscriber ends.
    Raises `ServiceError`.
    """
    clock = asyncio.get_running_loop().time
    said_s = clock()
    while subscriber.ending is None and not hub.covers(position):
        records = await reader.some()
        for piece in _pieces(records, source, position, subscriber.wanted):
            said_s = clock()
            yield piece
        if not records:
            for partition in reader.partitions:
                # past what is never handed out: control records, and what compaction took
                position.move(partition, max(position.offsets[partition], await reader.position(partition)))
        if clock() - said_s > _PULSE_S:
            said_s = clock()
            yield Chosen(b":\nid: %b\n\n" % position.text(), 0)


def gap_frame(gaps: Mapping[int, Gap], position: Position) -> Chosen:
    """Return the event that tells a client what it cannot have."""
    return Chosen(gap_entry(gaps, position.text()).frame, 1)


def _pieces(records: Sequence[Record], source: bytes, position: Position, wanted: Wanted) -> Iterator[Chosen]:
    frames: list[bytes] = []
    size = 0
    for record in records:
        if record.offset < position.offsets[record.partition]:
            continue
        position.move(record.partition, record.offset + 1)
        change = change_in(record, source)
        if change is not None and wanted.takes(change):
            frames.append(change_entry(change, position.text()).frame)
            size += len(frames[-1])
            if size > BATCH_BYTES:
                yield Chosen(b"".join(frames), len(frames))
                frames, size = [], 0
    if frames:
        yield Chosen(b"".join(frames), len(frames))
