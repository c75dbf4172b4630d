"""Durations: a number and a unit, in whole milliseconds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.durations import LONGEST_MS, describe_duration, format_duration, parse_duration

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "duration_ms"),
    [
        ("0s", 0),
        ("1ms", 1),
        ("1s", 1_000),
        ("1m", 60_000),
        ("1h", 3_600_000),
        ("1d", DAY_MS),
        ("1w", 7 * DAY_MS),
        ("30d", 30 * DAY_MS),
        ("007d", 7 * DAY_MS),
        ("0.5h", 1_800_000),
        ("1.001s", 1_001),
        ("1.10s", 1_100),
        ("0.0000001w", None),
        ("2.5000ms", None),
        ("2.000ms", 2),
        ("3650000d", LONGEST_MS),
        ("3650001d", None),
    ],
)
def test_whole_milliseconds_and_nothing_else(text: str, duration_ms: int | None) -> None:
    if duration_ms is None:
        with pytest.raises(ValueError, match=r"whole number|longer than"):
            parse_duration(text)
    else:
        assert parse_duration(text) == duration_ms


@pytest.mark.parametrize(
    "text", ["", "d", "30", "30 d", "+1d", "-1d", "1e3s", ".5d", "5.d", "1,5d", "1d1h", "1D", "٣d", 30, None, True]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration; "):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("30 days", "write 30d"),
        ("30D", "write 30d"),
        ("1.5 hours", "write 1.5h"),
        ("90 min", "write 90m"),
        ("500 milliseconds", "write 500ms"),
        ("5 msecs", "write 5ms"),
        ("2 Wks", "write 2w"),
        ("30-day", "write 30d"),
        ("1 month", "a month is not always as long, write days, like 30d"),
        ("6mo", "a month is not always as long, write days, like 30d"),
        ("1 year", "a year is not always as long, write days, like 30d"),
        ("2yrs", "a year is not always as long, write days, like 30d"),
        ("1M", "write 1m for minutes, or days for months"),
        ("3 fortnights", "write a number and one of ms, s, m, h, d, w, like 30d"),
    ],
)
def test_the_remedy_is_what_was_probably_meant(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="is no duration") as caught:
        parse_duration(text)
    assert str(caught.value).endswith(f"; {remedy}")


@given(st.integers(min_value=0, max_value=LONGEST_MS))
def test_what_is_written_reads_back(duration_ms: int) -> None:
    assert parse_duration(format_duration(duration_ms)) == duration_ms


@pytest.mark.parametrize(
    ("duration_ms", "written", "described"),
    [
        (0, "0s", "0s"),
        (7 * DAY_MS, "7d", "7d"),
        (90 * 60_000, "90m", "1h 30m"),
        (DAY_MS + 1, "86400001ms", "1d 1ms"),
        (45 * DAY_MS + 3 * 3_600_000 + 59_000, "3898859s", "45d 3h"),
    ],
)
def test_it_is_written_in_one_unit_and_told_in_two(duration_ms: int, written: str, described: str) -> None:
    assert format_duration(duration_ms) == written
    assert describe_duration(duration_ms) == described
