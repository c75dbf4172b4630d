"""A chunk's records before they are decoded: ticks, and whose time they have."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.structs import ConsumerRecord

from rules.errors import StateError
from streams.chunk import Chunk
from streams.clocks import LiveClock
from streams.decode import open_chunk

CLOCK = LiveClock(grace_ms=1_000, clock_skew_ms=0, max_future_ms=0)
EVENT = b'{"type":"page","userId":"c1"}'
APPEND, CREATE = 1, 0
TICK = (("segue-tick", b""),)


def record(at_ms: int, kind: int = APPEND, key: bytes | None = b"c1", value: bytes = EVENT, headers: Any = ()) -> Any:
    return ConsumerRecord("events", 0, 7, at_ms, kind, key, value, None, 2, len(value), headers)


def test_ticks_are_counted_and_tell_the_time_like_others() -> None:
    records = [record(5), record(9, key=None, value=b"", headers=TICK), record(7, value=b"{"), record(6)]
    opened = open_chunk(Chunk(0, 1, 0, records), CLOCK, None)
    assert (opened.records, opened.times) == (records, [5, 9, 7, 6])
    assert (opened.ticks, opened.newest_broker_ms) == (1, 9)


@pytest.mark.parametrize(
    "no_tick",
    [
        record(5, key=None, value=b"", headers=()),
        record(5, key=None, value=b"x", headers=TICK),
        record(5, key=b"", value=b"", headers=TICK),
        record(5, key=b"c1", value=b"", headers=TICK),
    ],
)
def test_what_is_no_tick_is_not_counted(no_tick: Any) -> None:
    assert open_chunk(Chunk(0, 1, 0, [no_tick]), CLOCK, None).ticks == 0


def test_an_append_time_is_taken_as_it_is() -> None:
    assert open_chunk(Chunk(0, 1, 0, [record(10_000)]), CLOCK, 500).times == [10_000]


@pytest.mark.parametrize(("at_ms", "taken_ms"), [(400, 400), (500, 500), (501, 500), (-1, 500)])
def test_a_producers_time_is_taken_as_at_most_now(at_ms: int, taken_ms: int) -> None:
    opened = open_chunk(Chunk(0, 1, 0, [record(at_ms, CREATE)]), CLOCK, 500)
    assert [opened.newest_broker_ms] == opened.times == [taken_ms]


def test_a_producers_time_that_is_not_allowed_names_the_record() -> None:
    with pytest.raises(StateError, match=r"events/0: the record at offset 7.*SEGUE_ALLOW_CREATE_TIME"):
        open_chunk(Chunk(0, 1, 0, [record(5, CREATE)]), CLOCK, None)
