"""One item of a request: what is taken, as what record, and what is said of what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from streams.clocks import LiveClock
from streams.events import decode_event
from streams.http.ingest.items import MAX_ITEM_BYTES, Around, Refused, Taken, read_item, without_key

NOW_MS = 1_772_366_400_000
NOW = "2026-03-01T12:00:00.000Z"
DEEP = b"[" * 10_000 + b"]" * 10_000
TRACK = {"type": "track", "userId": "c1", "event": "Seen", "messageId": "m-1"}


def around(kind: str | None = None, **parts: Any) -> Around:
    return Around.at(NOW_MS, kind, **{name: Raw(json.dumps(value).encode()) for name, value in parts.items()})


def taken(item: dict[str, Any] | bytes, where: Around | None = None) -> dict[str, Any]:
    raw = item if isinstance(item, bytes) else json.dumps(item).encode()
    found = read_item(raw, "batch[3]", where or around())
    assert isinstance(found, Taken), found
    record: dict[str, Any] = json.loads(found.value)
    # the worker takes it too, as the same customer's
    clock = LiveClock(grace_ms=0, clock_skew_ms=0, max_future_ms=0)
    assert decode_event(found.value, NOW_MS, clock).customer == found.customer
    return record


def refused(item: Any, where: Around | None = None) -> Refused:
    raw = item if isinstance(item, bytes) else json.dumps(item).encode()
    found = read_item(raw, "batch[3]", where or around())
    assert isinstance(found, Refused), found
    assert found.raw == raw
    return found


def test_the_rest_passes_through_byte_for_byte() -> None:
    inside = b'{ "big" : 123456789012345678901234567890, "price": 1.10, "a":1, "a":2, "text":"\\u00e9" }'
    found = read_item(
        b'{"type":"track","userId":"c1","event":"Seen","odd":[ 1 ],"properties":' + inside + b"}", "", around()
    )
    assert isinstance(found, Taken)
    assert inside in found.value
    assert b'"odd":[ 1 ]' in found.value


@pytest.mark.parametrize(
    ("item", "path", "code"),
    [
        ({**TRACK, "type": "nope"}, "batch[3].type", "unknown_type"),
        ({**TRACK, "type": None}, "batch[3].type", "unknown_type"),
        ({"type": "identify", "traits": {}}, "batch[3].userId", "no_id"),
        ({**TRACK, "userId": "", "anonymousId": 7}, "batch[3].userId", "no_id"),
        ({**TRACK, "userId": "x" * 257}, "batch[3].userId", "id_too_long"),
        ({**TRACK, "event": ""}, "batch[3].event", "no_event"),
        ({**TRACK, "timestamp": "yesterday"}, "batch[3].timestamp", "bad_timestamp"),
        ({**TRACK, "timestamp": 1_772_366_400}, "batch[3].timestamp", "bad_timestamp"),
        ({**TRACK, "originalTimestamp": "2026-03-01"}, "batch[3].originalTimestamp", "bad_timestamp"),
        ({**TRACK, "timestamp": "x", "originalTimestamp": NOW}, "batch[3].timestamp", "bad_timestamp"),
        ({**TRACK, "timestamp": "x", "sentAt": "2020-01-01T00:00:00Z"}, "batch[3].timestamp", "bad_timestamp"),
        ([1], "batch[3]", "not_object"),
        (None, "batch[3]", "not_object"),
        (b'{"type":', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"\xff"}', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"x","\xff":1}', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"x","sentAt":"\xff"}', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"x","context":{"\xff":1}}', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"x","p":1e999}', "batch[3]", "bad_number"),
        (b'{"type":"track","userId":"c1","event":"\\ud83d x"}', "batch[3]", "not_json"),
        (b'{"type":"track","userId":"c1","event":"x","p":' + DEEP + b"}", "batch[3]", "not_json"),
    ],
)  # fmt: skip
def test_a_bad_item_is_named(item: Any, path: str, code: str) -> None:
    found = refused(item)
    assert (found.path, found.code) == (path, code)
    assert found.message


def test_an_item_alone_is_named_by_its_fields_alone() -> None:
    found = read_item(b'{"userId":"c1"}', "", around("track"))
    assert isinstance(found, Refused)
    assert found.path == "event"


def test_an_event_of_32_kib_is_taken_and_one_byte_more_is_not() -> None:
    raw = json.dumps(TRACK | {"properties": {"x": ""}}).encode()
    full = raw.replace(b'"x": ""', b'"x": "' + b"y" * (MAX_ITEM_BYTES - len(raw)) + b'"')
    assert len(full) == MAX_ITEM_BYTES
    assert taken(full)
    assert refused(full.replace(b'"x": ', b'"x":  ')).code == "too_large"


def test_a_record_that_defaults_make_too_large_is_refused() -> None:
    assert refused(TRACK, around(context={"x": "y" * 65_450, "z": 1}))[1] == "too_large"


def test_the_routes_type_is_the_events() -> None:
    assert taken({"userId": "c1", "event": "Seen"}, around("track"))["type"] == "track"
    assert taken({**TRACK, "type": "track"}, around("page"))["type"] == "page"


def test_a_message_id_is_made_where_there_is_none() -> None:
    for absent in ({}, {"messageId": None}, {"messageId": ""}, {"messageId": 7}):
        item = {name: value for name, value in TRACK.items() if name != "messageId"} | absent
        found = read_item(json.dumps(item).encode(), "", around())
        assert isinstance(found, Taken)
        assert found.message_id is None
        assert len(json.loads(found.value)["messageId"]) == 36
    assert taken(TRACK)["messageId"] == "m-1"


def test_a_batchs_context_and_integrations_are_defaults() -> None:
    where = around(context={"ip": "1.2.3.4", "app": {"name": "a"}}, integrations={"All": True})
    record = taken({**TRACK, "context": {"app": {"name": "b"}, "ip": None}}, where)
    assert record["context"] == {"ip": "1.2.3.4", "app": {"name": "b"}}
    assert record["integrations"] == {"All": True}
    assert taken({**TRACK, "context": 7}, where)["context"] == {"ip": "1.2.3.4", "app": {"name": "a"}}
    assert taken({**TRACK, "integrations": {"All": False}}, where)["integrations"] == {"All": False}


def test_an_identify_without_traits_takes_those_of_its_context() -> None:
    identify = {"type": "identify", "userId": "c1", "context": {"traits": {"plan": "pro"}}}
    assert taken(identify)["traits"] == {"plan": "pro"}
    assert taken({**identify, "traits": None})["traits"] == {"plan": "pro"}
    assert taken({**identify, "traits": {}})["traits"] == {}
    assert "traits" not in taken({**identify, "type": "track", "event": "Seen"})
    assert "traits" not in taken({**identify, "context": {"traits": 7}})


def test_a_key_is_kept_nowhere() -> None:
    assert "writeKey" not in taken({**TRACK, "writeKey": "secret"})
    assert b"secret" not in without_key(b'{"type":"nope","writeKey":"secret"}')
    assert without_key(b'{"type" : "nope"}') == b'{"type" : "nope"}'


LATE, EARLY = "2026-03-01T11:00:00Z", "2026-03-01T13:00:00Z"


@pytest.mark.parametrize(
    ("given", "batch_sent_at", "timestamp", "original"),
    [
        # neither: when it came
        ({}, None, NOW, None),
        ({}, LATE, NOW, None),
        ({"timestamp": None, "originalTimestamp": None}, None, NOW, None),
        # one of them, clocks that agree (to 5 s), or no word on it
        ({"timestamp": LATE}, None, LATE, None),
        ({"originalTimestamp": LATE}, None, LATE, LATE),
        ({"timestamp": LATE, "sentAt": "2026-03-01T12:00:05Z"}, None, LATE, None),
        ({"timestamp": LATE, "sentAt": "2026-03-01T11:59:55Z"}, None, LATE, None),
        # one of them, clocks that do not: an hour slow, an hour fast, by 5.001 s
        ({"timestamp": "2026-03-01T10:59:50Z", "sentAt": LATE}, None, "2026-03-01T11:59:50.000Z",
         "2026-03-01T10:59:50Z"),
        ({"timestamp": EARLY, "sentAt": EARLY}, None, NOW, EARLY),
        ({"originalTimestamp": EARLY, "sentAt": EARLY}, None, NOW, EARLY),
        ({"timestamp": LATE, "sentAt": "2026-03-01T11:59:54.999Z"}, None, "2026-03-01T11:00:05.001Z", LATE),
        # an offset and a fraction finer than we keep
        ({"timestamp": "2026-03-01T12:00:00.1239+01:00", "sentAt": LATE}, None, "2026-03-01T12:00:00.123Z",
         "2026-03-01T12:00:00.1239+01:00"),
        # the item's sentAt, else the batch's; a malformed one counts as absent
        ({"timestamp": LATE, "sentAt": NOW}, LATE, LATE, None),
        ({"timestamp": LATE}, LATE, NOW, LATE),
        ({"timestamp": LATE, "sentAt": "now"}, LATE, NOW, LATE),
        ({"timestamp": LATE, "sentAt": 5}, "now", LATE, None),
        # both: as it is
        ({"timestamp": LATE, "originalTimestamp": EARLY, "sentAt": EARLY}, None, LATE, EARLY),
        ({"timestamp": LATE, "originalTimestamp": "x"}, None, LATE, "x"),
    ],
)  # fmt: skip
def test_time_is_corrected_by_the_clocks_difference(
    given: dict[str, Any], batch_sent_at: str | None, timestamp: str, original: str | None
) -> None:
    where = around() if batch_sent_at is None else around(sent_at=batch_sent_at)
    record = taken({**TRACK, **given}, where)
    assert record["timestamp"] == timestamp
    assert record.get("originalTimestamp") == original
    assert record["receivedAt"] == NOW
    if timestamp not in (NOW, LATE):
        assert record["sentAt"]


def test_the_batchs_sent_at_is_kept_with_the_event() -> None:
    assert taken({**TRACK, "timestamp": LATE}, around(sent_at=LATE))["sentAt"] == LATE
    assert "sentAt" not in taken(TRACK, around(sent_at="now"))


def test_a_corrected_time_stays_within_the_years() -> None:
    item = {**TRACK, "timestamp": "9999-12-31T23:59:59Z", "sentAt": "2020-01-01T00:00:00Z"}
    assert refused(item).code == "bad_timestamp"
