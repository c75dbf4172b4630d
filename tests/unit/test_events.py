"""A record becomes an event or is rejected with a reason."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from rules.errors import EventRejected
from streams.clocks import LiveClock, StreamClock
from streams.events import MAX_BYTES, decode_event, decode_record

NOW_MS = 1_772_366_400_000  # 2026-03-01T12:00:00Z
LIVE = LiveClock(grace_ms=1_000, clock_skew_ms=100, max_future_ms=60_000)
REPLAY = StreamClock(lag_ms=0)


def value(**fields: Any) -> bytes:
    return orjson.dumps({"type": "track", "userId": "c1", "event": "Seen"} | fields)


def reason(data: bytes, clock: LiveClock | StreamClock = LIVE) -> str:
    with pytest.raises(EventRejected) as rejected:
        decode_event(data, NOW_MS, clock)
    assert rejected.value.detail
    return rejected.value.reason


def test_a_track() -> None:
    event = decode_event(value(messageId="m1", timestamp="2026-03-01T11:59:59.5Z", properties={"a": 1}), NOW_MS, LIVE)
    assert (event.customer, event.name, event.type, event.message_id) == ("c1", "Seen", "track", "m1")
    assert (event.ts, event.floor) == (NOW_MS - 500, NOW_MS - 1_000)
    assert event.body["properties"] == {"a": 1}


@pytest.mark.parametrize("kind", ["identify", "page", "screen", "group", "alias"])
def test_other_types_are_named_by_themselves(kind: str) -> None:
    assert decode_event(value(type=kind, event="not this"), NOW_MS, LIVE).name == kind


@pytest.mark.parametrize(
    ("fields", "customer"),
    [
        ({"userId": "a", "anonymousId": "b"}, "a"),
        ({"userId": None, "anonymousId": "b"}, "b"),
        ({"userId": "", "anonymousId": "b"}, "b"),
        ({"userId": 7, "anonymousId": "b"}, "b"),
        ({"userId": ["a"], "anonymousId": "b"}, "b"),
        ({"userId": "x" * 256}, "x" * 256),
        ({"userId": "é" * 128}, "é" * 128),
        ({"userId": " "}, " "),
    ],
)
def test_the_customer(fields: dict[str, Any], customer: str) -> None:
    assert decode_event(value(**fields), NOW_MS, LIVE).customer == customer


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"userId": None}, "no_id"),
        ({"userId": ""}, "no_id"),
        ({"userId": 7, "anonymousId": {}}, "no_id"),
        ({"userId": "x" * 257}, "id_too_long"),
        ({"userId": "é" * 129}, "id_too_long"),
        ({"type": None}, "unknown_type"),
        ({"type": "Track"}, "unknown_type"),
        ({"type": ["track"]}, "unknown_type"),
        ({"type": {"track": 1}}, "unknown_type"),
        ({"event": None}, "no_event"),
        ({"event": ""}, "no_event"),
        ({"event": 1}, "no_event"),
        ({"timestamp": 1_772_366_400}, "bad_timestamp"),
        ({"timestamp": True}, "bad_timestamp"),
        ({"timestamp": ""}, "bad_timestamp"),
        ({"timestamp": "2026-03-01"}, "bad_timestamp"),
        ({"timestamp": "2026-03-01T12:00:60Z"}, "bad_timestamp"),
        ({"timestamp": {}}, "bad_timestamp"),
        ({"pad": "x" * MAX_BYTES}, "too_large"),
    ],
)
def test_rejected_fields(fields: dict[str, Any], expected: str) -> None:
    assert reason(value(**fields)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{} {}",
        b'{"a":"\x01"}',
        b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
def test_not_json(data: bytes) -> None:
    assert reason(data) == "not_json"


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"1" + b"0" * 309, b"1.8e308"])
def test_a_number_that_no_double_holds(number: bytes) -> None:
    assert reason(b'{"type":"track","userId":"c1","event":"Seen","properties":{"n":%b}}' % number) == "bad_number"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (b"1e308", 1e308),
        (b"1" + b"0" * 308, 1e308),
        (b"18446744073709551616", 2.0**64),
        (b"-9223372036854775809", -(2.0**63)),
        (b"1e-400", 0.0),
        (b"-0", 0),
    ],
)
def test_a_number_that_some_double_holds(number: bytes, expected: float) -> None:
    data = b'{"type":"track","userId":"c1","event":"Seen","properties":{"n":%b}}' % number
    assert decode_event(data, NOW_MS, LIVE).body["properties"]["n"] == expected


@pytest.mark.parametrize("data", [b"[]", b"1", b'"track"', b"null", b"true"])
def test_not_an_object(data: bytes) -> None:
    assert reason(data) == "not_object"


def test_of_equal_keys_the_last_wins() -> None:
    data = b'{"type":"track","userId":"c1","event":"A","event":"B","userId":"c2"}'
    event = decode_event(data, NOW_MS, LIVE)
    assert (event.customer, event.name) == ("c2", "B")


def test_what_counts_as_absent_is_gone_from_the_body() -> None:
    odd = {
        "properties": [1],
        "traits": "x",
        "context": 3,
        "messageId": 7,
        "anonymousId": "",
        "name": None,
        "other": None,
    }
    event = decode_event(value(**odd), NOW_MS, LIVE)
    assert event.body == {"type": "track", "userId": "c1", "event": "Seen"}
    assert event.message_id is None


def test_unknown_fields_stay() -> None:
    assert decode_event(value(whatever={"a": None}), NOW_MS, LIVE).body["whatever"] == {"a": None}


class TestLive:
    def test_without_a_timestamp_the_brokers_time_counts(self) -> None:
        assert decode_event(value(), NOW_MS, LIVE).ts == NOW_MS
        assert decode_event(value(timestamp=None), NOW_MS, LIVE).ts == NOW_MS

    @pytest.mark.parametrize(("ahead_ms", "kept"), [(60_000, True), (60_001, False)])
    def test_a_time_too_far_ahead_is_the_brokers(self, ahead_ms: int, kept: bool) -> None:
        minutes, millis = divmod(ahead_ms, 60_000)
        event = decode_event(value(timestamp=f"2026-03-01T12:{minutes:02}:00.{millis:03}Z"), NOW_MS, LIVE)
        assert event.ts == (NOW_MS + ahead_ms if kept else NOW_MS)

    def test_the_past_is_taken_as_it_is(self) -> None:
        assert decode_event(value(timestamp="1970-01-01T00:00:00Z"), NOW_MS, LIVE).ts == 0


class TestReplay:
    def test_the_brokers_time_is_the_events_and_there_is_no_grace(self) -> None:
        event = decode_event(value(timestamp="2099-01-01T00:00:00Z"), 0, REPLAY)
        assert event.ts == event.floor == 4_070_908_800_000

    def test_an_event_with_no_timestamp_is_rejected(self) -> None:
        assert reason(value(), REPLAY) == "no_timestamp"


class TestKey:
    def test_the_key_is_the_customer(self) -> None:
        assert decode_record("é".encode(), value(userId="é"), NOW_MS, LIVE).customer == "é"

    @pytest.mark.parametrize(
        ("key", "data", "expected"),
        [
            (None, value(), "no_key"),
            (None, b"{", "no_key"),
            (b"", value(), "wrong_key"),
            (b"c2", value(), "wrong_key"),
            (b"\xff", value(), "wrong_key"),
            (b"c1", None, "not_json"),
            (b"c1", b"", "not_json"),
        ],
    )
    def test_any_other_is_rejected(self, key: bytes | None, data: bytes | None, expected: str) -> None:
        with pytest.raises(EventRejected) as rejected:
            decode_record(key, data, NOW_MS, LIVE)
        assert rejected.value.reason == expected
