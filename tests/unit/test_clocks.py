"""Up to when timers may fire."""

from __future__ import annotations

import pytest

from streams.clocks import NEVER_MS, LiveClock, MissingTimestamp, StreamClock


def test_live_certainty_is_the_newest_broker_time_less_grace_and_skew() -> None:
    clock = LiveClock(grace_ms=1_000, clock_skew_ms=100, max_future_ms=0)
    assert clock.certain_ms(10_000, 99_999) == 8_900


def test_in_a_replay_certainty_is_the_newest_event_time_less_the_lag() -> None:
    assert StreamClock(lag_ms=300).certain_ms(99_999, 10_000) == 9_700


def test_nothing_is_certain_before_the_first_record() -> None:
    assert LiveClock(grace_ms=1, clock_skew_ms=1, max_future_ms=0).certain_ms(NEVER_MS, NEVER_MS) < -(2**60)
    assert StreamClock(lag_ms=0).certain_ms(5, NEVER_MS) == NEVER_MS


def test_a_replay_has_no_other_time_to_give() -> None:
    with pytest.raises(MissingTimestamp):
        StreamClock(lag_ms=0).times(None, 5)
