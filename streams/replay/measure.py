"""What a replay wants to know of a file of events before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rules.errors import EventRejected
from streams.clocks import NEVER_MS, StreamClock
from streams.events import decode_event

if TYPE_CHECKING:
    from collections.abc import Iterable


class Measure(msgspec.Struct, frozen=True):
    """`records` is their number, `lag_ms` the largest step back in time: how far an event lies behind a former one."""

    records: int
    lag_ms: int


def measure(records: Iterable[bytes]) -> Measure:
    """Read all records; those that are no events have no time."""
    clock = StreamClock(lag_ms=0)
    count, lag_ms, newest_ms = 0, 0, NEVER_MS
    for record in records:
        count += 1
        try:
            ts_ms = decode_event(record, 0, clock).ts
        except EventRejected:
            continue
        if ts_ms > newest_ms:
            newest_ms = ts_ms
        else:
            lag_ms = max(lag_ms, newest_ms - ts_ms)
    return Measure(count, lag_ms)
