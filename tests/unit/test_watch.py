"""A partition that does not get on is noticed; one that rests is not mistaken for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rules.errors import ServiceError, StateError
from streams.transport import Place
from streams.watch import Watch


@pytest.fixture
def watch() -> Watch:
    parts: Any = SimpleNamespace(
        topics=SimpleNamespace(events="customer-events"), settings=SimpleNamespace(stall_deadline=60_000)
    )
    return Watch(parts, 3)


def look(
    watch: Watch, at: int, end: int | None, now_s: float, *, applied: int | None = None, idle: bool = True
) -> None:
    watch.look(at if applied is None else applied, None if end is None else Place(at, end), now_s, idle=idle)


def test_a_partition_at_rest(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        look(watch, 7, 7, now_s)


def test_one_at_rest_behind_a_control_record(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        look(watch, 8, 8, now_s, applied=7)


def test_one_that_gets_on_however_slowly(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        look(watch, now_s, 10_000, now_s)


def test_one_of_which_nothing_is_known(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        look(watch, 0, None, now_s)


def test_one_that_waits_although_records_do(watch: Watch) -> None:
    look(watch, 7, 8, 0.0)
    look(watch, 7, 9, 60.0)
    with pytest.raises(ServiceError, match="customer-events/3: nothing was applied for 61 s"):
        look(watch, 7, 9, 61.0)


def test_one_that_does_not_come_through_with_what_it_has_read(watch: Watch) -> None:
    look(watch, 9, 9, 0.0, applied=7, idle=False)
    with pytest.raises(ServiceError, match="at offset 7 of 9"):
        look(watch, 9, 9, 61.0, applied=7, idle=False)


def test_rest_does_not_count_as_waiting(watch: Watch) -> None:
    look(watch, 7, 7, 0.0)
    look(watch, 7, 7, 500.0)
    look(watch, 7, 8, 501.0)
    look(watch, 7, 8, 560.0)


def test_a_log_that_ends_before_what_was_read(watch: Watch) -> None:
    look(watch, 7, 7, 0.0)
    look(watch, 7, 3, 1.0)
    look(watch, 7, 3, 9.0)
    with pytest.raises(StateError, match=r"partition: offset \{3: 7\}"):
        look(watch, 7, 3, 11.0)


def test_a_watermark_that_is_late_for_a_moment(watch: Watch) -> None:
    look(watch, 7, 7, 0.0)
    look(watch, 7, 3, 5.0)
    look(watch, 7, 7, 9.0)
    look(watch, 7, 3, 15.0)
