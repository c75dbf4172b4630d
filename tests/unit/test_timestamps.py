"""Timestamps of events: what is one, and that the cache changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import dates
from rules.dates import MAX_MS, MIN_MS
from streams import timestamps
from streams.timestamps import parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59-00:00", -1000),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T00:00:00.999999999Z", 999),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2000-02-29T12:00:00.5+05:30", 951_805_800_500),
        ("0001-01-01T00:00:00Z", MIN_MS),
        ("9999-12-31T23:59:59.9999Z", MAX_MS),
        ("9999-12-31T22:59:59.999-01:00", MAX_MS),
    ],
)
def test_instant(text: str, expected_ms: int) -> None:
    assert parse_timestamp(text) == expected_ms
    assert parse_timestamp(text) == expected_ms  # from the cache


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:60Z",
        "2026-03-01T24:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01T12:00:00+01",
        "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
        "2026-03-01T12:00:00Z ",
        " 2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00Z\n",
        "2026-3-01T12:00:00Z",
        "+2026-03-01T12:00:00Z",
        "12026-03-01T12:00:00Z",
        "２０２６-03-01T12:00:00Z",
        "2026-W09-7T12:00:00Z",
        "0000-12-31T23:00:00-01:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1740830400",
    ],
)
def test_no_instant(text: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="RFC 3339"):
            parse_timestamp(text)


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001 - hypothesis wants naive ones
    st.integers(-1439, 1439),
    st.integers(0, 9),
)
def test_the_cache_changes_nothing(moment: datetime, offset_minutes: int, digits: int) -> None:
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    fraction = f"{moment.microsecond:06}000"[:digits]
    text = f"{moment:%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}{sign}{hours:02}:{minutes:02}"
    text = f"{moment.year:04}-{text}"
    assert parse_timestamp(text) == dates.parse_timestamp(text)


def test_more_seconds_than_the_cache_holds() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for second in range(20_000):
        moment = start + timedelta(seconds=second)
        assert parse_timestamp(f"{moment:%Y-%m-%dT%H:%M:%S}.{second % 1000:03}Z") == int(
            moment.timestamp() * 1000 + second % 1000
        )


def test_no_text_however_long_stays_in_memory() -> None:
    tail = f".{'1' * 60_000}Z"
    assert parse_timestamp(f"2026-03-01T12:00:00{tail}") == dates.parse_timestamp("2026-03-01T12:00:00.111Z")
    assert max(map(len, timestamps._tails)) < 64  # noqa: SLF001 - what is kept shows nowhere else
