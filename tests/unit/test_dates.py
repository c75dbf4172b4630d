"""Instants: RFC 3339 with an offset, or a day at 00:00 UTC; nothing else is one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.dates import MAX_MS, MIN_MS, format_ms, parse_date, parse_timestamp

MIDNIGHT_MS = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-03-01T00:00:00Z", MIDNIGHT_MS),
        ("2026-03-01t00:00:00z", MIDNIGHT_MS),
        ("2026-03-01T00:00:00+00:00", MIDNIGHT_MS),
        ("2026-03-01T00:00:00-00:00", MIDNIGHT_MS),
        ("2026-03-01T01:00:00+01:00", MIDNIGHT_MS),
        ("2026-02-28T18:30:00-05:30", MIDNIGHT_MS),
        ("2026-03-01T00:00:00.1Z", MIDNIGHT_MS + 100),
        ("2026-03-01T00:00:00.0019999Z", MIDNIGHT_MS + 1),  # cut, not rounded
        ("0001-01-01T00:00:00Z", MIN_MS),
        ("9999-12-31T23:59:59.999999Z", MAX_MS),
        ("2024-02-29T00:00:00Z", int(datetime(2024, 2, 29, tzinfo=UTC).timestamp() * 1000)),
    ],
)
def test_a_timestamp_is_cut_to_utc_milliseconds(text: str, ms: int) -> None:
    assert parse_timestamp(text) == ms
    assert parse_date(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T00:00:00",  # no offset
        "2026-03-01 00:00:00Z",
        "2026-03-01T00:00Z",
        "2026-03-01T00:00:60Z",  # a 60th second
        "2026-03-01T24:00:00Z",
        "2026-03-01T00:60:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-03-01T00:00:00+24:00",
        "2026-03-01T00:00:00+0100",
        "2026-03-01T00:00:00.Z",
        "26-03-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",  # the year 0 in UTC
        "9999-12-31T23:59:59-00:01",  # the year 10000
        "2026-03-01T00:00:00Z ",
        "2026-03-01T00:00:00Z\n",
        "٢٠٢٦-03-01T00:00:00Z",
        "",
    ],
)
def test_what_is_no_timestamp(text: str) -> None:
    assert parse_timestamp(text) is None
    assert parse_date(text) is None


def test_a_day_is_a_date_at_midnight_but_no_timestamp() -> None:
    assert parse_date("2026-03-01") == MIDNIGHT_MS
    assert parse_timestamp("2026-03-01") is None


@pytest.mark.parametrize(
    "value",
    ["2026-3-1", "2026-02-30", "20260301", "2026-W09-7", "2026-060", "today", 1772323200000, None, True, [], {}],
)
def test_what_is_no_date(value: object) -> None:
    assert parse_date(value) is None


@given(st.integers(min_value=MIN_MS, max_value=MAX_MS))
def test_what_is_written_reads_back(ms: int) -> None:
    assert parse_timestamp(format_ms(ms)) == ms


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - hypothesis wants bounds without a zone
def test_it_agrees_with_the_standard_library(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    if offset.total_seconds() % 60:
        return  # RFC 3339 has no offsets with seconds
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_timestamp(moment.isoformat()) == round(cut.timestamp() * 1000)
