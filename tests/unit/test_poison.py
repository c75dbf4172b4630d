"""Ten a minute are an accident, eleven are not."""

from __future__ import annotations

import pytest

from rules.errors import StateError
from streams.poison import PoisonLimit


def test_the_eleventh_within_a_minute_is_too_many() -> None:
    limit = PoisonLimit(10, clock=lambda: 5.0)
    for _ in range(10):
        limit.hit("x")
    with pytest.raises(StateError, match="more than 10 events a minute"):
        limit.hit("x")


def test_old_ones_are_forgotten() -> None:
    now = 0.0
    limit = PoisonLimit(2, clock=lambda: now)
    for now in (0.0, 30.0, 60.0, 90.0, 120.0):  # noqa: B007 - the clock reads it
        limit.hit("x")


def test_none_may_be_allowed() -> None:
    with pytest.raises(StateError):
        PoisonLimit(0).hit("x")
