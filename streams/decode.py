"""A chunk's records, looked at before they are decoded: each gets its broker's time, and ticks are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.errors import StateError
from streams.events import is_tick
from streams.opened import Opened

if TYPE_CHECKING:
    from streams.chunk import Chunk
    from streams.clocks import Clock
    from streams.record import Record


CREATE_TIME: Final = 0
"""A record's timestamp type: the producer's clock, which may be ahead of ours, or absent."""


def open_chunk(chunk: Chunk, clock: Clock, now_ms: int | None) -> Opened:
    """Look at all records of a chunk.

    Parameters
    ----------
    now_ms
        The local time, which a producer's time is taken as at most; None where producers' times are not allowed.

    Raises
    ------
    StateError
        at a record that has a producer's time where that is not allowed.
    """
    values: list[bytes | None] = []
    times: list[int] = []
    ticks = 0
    for record in chunk.records:
        broker_ms = record.timestamp
        if record.timestamp_type == CREATE_TIME:
            if now_ms is None:
                raise StateError(_create_time(record))
            if not 0 <= broker_ms <= now_ms:
                broker_ms = now_ms
        value = record.value
        values.append(value)
        times.append(broker_ms)
        if not value and is_tick(record):
            ticks += 1
    return Opened(chunk.records, values, times, ticks, clock)


def _create_time(record: Record) -> str:
    return (
        f"{record.topic}/{record.partition}: the record at offset {record.offset} has its producer's time, not the "
        "broker's. `segue topics` says what is wrong with the topic; to work on such times all the same (or to get "
        "past records that are older than the topic's setting), set SEGUE_ALLOW_CREATE_TIME=true"
    )
