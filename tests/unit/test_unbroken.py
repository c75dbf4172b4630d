"""Holes in what a fetch brings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from streams import unbroken
from streams.unbroken import Unbroken

if TYPE_CHECKING:
    import pytest


def record(offset: int) -> Any:
    return SimpleNamespace(topic="t", partition=3, offset=offset)


def test_a_hole_is_for_good_after_a_while(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    reading = Unbroken(5)
    assert reading.take([record(7)]) == ([], 5)
    monkeypatch.setattr(unbroken, "PATIENCE_S", 0.0)
    later = [record(7), record(8)]
    assert reading.take(later) == (later, None)
    assert "t, partition 3: the broker has no record between offsets 5 and 7" in caplog.text
    assert reading.take([record(9)]) == ([record(9)], None)


def test_a_second_hole_is_waited_for_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("streams.unbroken.time.monotonic", lambda: now_s)
    reading = Unbroken(0)
    assert reading.take([record(1)]) == ([], 0)
    now_s += unbroken.PATIENCE_S
    assert reading.take([record(1), record(3)]) == ([record(1)], 2)


@given(st.data())
def test_whatever_is_passed_over_all_is_read_once_and_in_order(data: st.DataObject) -> None:
    end = data.draw(st.integers(1, 20), "records")
    reading, position, read = Unbroken(0), 0, []
    while position < end:
        there = data.draw(st.sets(st.integers(position, end - 1), min_size=1), "fetched")
        taken, hole = reading.take([record(offset) for offset in sorted(there)])
        read += [some.offset for some in taken]
        position = max(there) + 1 if hole is None else hole
    assert read == list(range(end))
