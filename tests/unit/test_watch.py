"""A partition that does not get on is noticed; one that rests is not mistaken for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rules.errors import ServiceError, StateError
from streams.watch import Watch


@pytest.fixture
def watch() -> Watch:
    parts: Any = SimpleNamespace(
        topics=SimpleNamespace(events="customer-events"), settings=SimpleNamespace(stall_deadline=60_000)
    )
    return Watch(parts, 3)


def test_a_partition_at_rest(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        watch.look(7, 7, now_s)


def test_one_that_gets_on_however_slowly(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        watch.look(now_s, 10_000, now_s)


def test_one_of_which_nothing_is_known(watch: Watch) -> None:
    for now_s in range(0, 1_000, 50):
        watch.look(0, None, now_s)


def test_one_that_waits_although_records_do(watch: Watch) -> None:
    watch.look(7, 8, 0.0)
    watch.look(7, 9, 60.0)
    with pytest.raises(ServiceError, match="customer-events/3: nothing was applied for 61 s"):
        watch.look(7, 9, 61.0)


def test_rest_does_not_count_as_waiting(watch: Watch) -> None:
    watch.look(7, 7, 0.0)
    watch.look(7, 7, 500.0)
    watch.look(7, 8, 501.0)
    watch.look(7, 8, 560.0)


def test_a_log_that_ends_before_what_was_read(watch: Watch) -> None:
    watch.look(7, 7, 0.0)
    watch.look(7, 3, 1.0)
    watch.look(7, 3, 9.0)
    with pytest.raises(StateError, match=r"partition: offset \{3: 7\}"):
        watch.look(7, 3, 11.0)


def test_a_watermark_that_is_late_for_a_moment(watch: Watch) -> None:
    watch.look(7, 7, 0.0)
    watch.look(7, 3, 5.0)
    watch.look(7, 7, 9.0)
    watch.look(7, 3, 15.0)
