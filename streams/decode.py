"""A chunk's records become events, rejections and ticks; each gets its broker's time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rules.errors import EventRejected, StateError
from streams.clocks import NEVER_MS
from streams.events import decode_record, is_tick
from streams.rejected import Rejection

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

    from state.event import Event
    from streams.chunk import Chunk
    from streams.clocks import Clock

    Record = ConsumerRecord[bytes | None, bytes | None]

CREATE_TIME = 0
"""A record's timestamp type: the producer's clock, which may be ahead of ours, or absent."""


class Decoded(NamedTuple):
    """What a chunk holds. `newest_broker_ms` is the newest broker time of any of its records."""

    events: list[tuple[Record, Event]]
    rejections: list[Rejection]
    ticks: int
    newest_broker_ms: int

    def rejected_in(self, first: int, next_offset: int) -> list[Rejection]:
        """Return the rejections of records from offset `first` up to, without it, `next_offset`."""
        return [rejection for rejection in self.rejections if first <= rejection.record.offset < next_offset]


def decode_chunk(chunk: Chunk, clock: Clock, now_ms: int | None) -> Decoded:
    """Decode all records of a chunk.

    Parameters
    ----------
    now_ms
        The local time, which a producer's time is taken as at most; None where producers' times are not allowed.

    Raises
    ------
    StateError
        at a record that has a producer's time where that is not allowed.
    """
    events: list[tuple[Record, Event]] = []
    rejections: list[Rejection] = []
    ticks, newest_ms = 0, NEVER_MS
    for record in chunk.records:
        broker_ms = record.timestamp
        if record.timestamp_type == CREATE_TIME:
            if now_ms is None:
                raise StateError(_create_time(record))
            if not 0 <= broker_ms <= now_ms:
                broker_ms = now_ms
        newest_ms = max(newest_ms, broker_ms)
        if record.key is None and is_tick(record):
            ticks += 1
            continue
        try:
            events.append((record, decode_record(record.key, record.value, broker_ms, clock)))
        except EventRejected as error:
            rejections.append(Rejection(record, error.reason, error.detail))
    return Decoded(events, rejections, ticks, newest_ms)


def _create_time(record: Record) -> str:
    return (
        f"{record.topic}/{record.partition}: the record at offset {record.offset} has its producer's time, not the "
        "broker's. `segue topics` says what is wrong with the topic; to work on such times all the same (or to get "
        "past records that are older than the topic's setting), set SEGUE_ALLOW_CREATE_TIME=true"
    )
