"""How far behind a partition is said to be."""

from __future__ import annotations

import pytest

from streams.inquiry import Found
from streams.lag import Lag
from streams.transport import Place

NOW_MS = 1_000_000


@pytest.fixture
def lag() -> Lag:
    return Lag(NOW_MS)


def test_nothing_is_known_at_first(lag: Lag) -> None:
    assert (lag.events, lag.seconds(NOW_MS)) == (None, 0)
    lag.look(7, None, None, NOW_MS)
    assert lag.events is None


def test_none_behind_a_control_record_at_the_end(lag: Lag) -> None:
    lag.look(7, Place(8, 8), None, NOW_MS)
    assert (lag.events, lag.seconds(NOW_MS + 5_000)) == (0, 0)


def test_its_age_is_the_first_records_that_is_not_applied(lag: Lag) -> None:
    lag.look(7, Place(9, 12), NOW_MS - 30_000, NOW_MS)
    assert (lag.events, lag.seconds(NOW_MS)) == (5, 30)
    lag.look(9, Place(12, 12), NOW_MS - 10_000, NOW_MS)
    assert (lag.events, lag.seconds(NOW_MS)) == (3, 10)
    lag.look(12, Place(12, 12), None, NOW_MS)
    assert (lag.events, lag.seconds(NOW_MS)) == (0, 0)


def test_one_that_is_not_here_yet_came_after_nothing_waited(lag: Lag) -> None:
    lag.look(7, Place(7, 7), None, NOW_MS + 1_000)
    lag.look(7, Place(7, 9), None, NOW_MS + 2_000)
    assert (lag.events, lag.seconds(NOW_MS + 3_000)) == (2, 2)


def test_a_record_without_a_time_counts_from_when_nothing_waited(lag: Lag) -> None:
    lag.look(7, Place(8, 8), -1, NOW_MS)
    assert lag.seconds(NOW_MS + 1_000) == 1


def test_between_two_tenures_it_goes_on(lag: Lag) -> None:
    lag.look(7, Place(9, 9), NOW_MS, NOW_MS)
    assert (lag.events, lag.seconds(NOW_MS + 60_000)) == (2, 60)
    lag.told(Found(8, 20, waits=True), held=False)
    assert (lag.events, lag.seconds(NOW_MS + 70_000)) == (12, 70)


def test_a_client_that_believes_it_is_at_the_end_is_not_believed(lag: Lag) -> None:
    lag.look(7, Place(7, 7), None, NOW_MS)
    lag.told(Found(7, 20, waits=True), held=True)
    lag.look(7, Place(7, 7), None, NOW_MS + 1_000)
    assert lag.events == 13


def test_clocks_may_differ(lag: Lag) -> None:
    lag.look(7, Place(9, 9), NOW_MS + 500, NOW_MS)
    assert lag.seconds(NOW_MS) == 0
