"""The naive evaluator itself: which bytes are an event, and what values, dates and comparisons mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.oracle import Record, expected_live, expected_replay
from tests.oracle.say import MIDNIGHT_MS, event, said, when
from tests.oracle.values import date_ms, date_time_ms, duration_ms, leaves, meets, micros

RULES = when("did: {event: buy}")


def rejected(value: bytes, key: bytes | None = b"c1") -> list[str]:
    return list(expected_live(RULES, [Record(value, key, MIDNIGHT_MS)]).rejected)


def changed(**fields: Any) -> bytes:
    return json.dumps(event(1) | fields).encode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (b"\xff{}", "not_json"),
        (b"\xef\xbb\xbf" + changed(), "not_json"),
        (changed()[:-1] + b',"x":NaN}', "not_json"),
        (changed()[:-1] + b',"x":["\\ud800"]}', "not_json"),
        (changed()[:-1] + b',"\\udc00":1}', "not_json"),
        (changed()[:-1] + b',"x":01}', "not_json"),
        (changed()[:-1] + b',"x":-1e400}', "bad_number"),
        (changed()[:-1] + b',"x":' + b"9" * 400 + b"}", "bad_number"),
        (b"[]", "no_object"),
        (changed(userId="", anonymousId=7), "no_id"),
        (changed(userId="i" * 257), "id_too_long"),
        (changed(type="Track"), "unknown_type"),
        (changed(type=None), "unknown_type"),
        (changed(event=""), "no_event_name"),
        (changed(event=7), "no_event_name"),
        (changed(timestamp=MIDNIGHT_MS), "bad_timestamp"),
        (changed(timestamp=""), "bad_timestamp"),
        (changed(timestamp="2026-03-01"), "bad_timestamp"),
        (changed(timestamp="2026-03-01T00:00:60Z"), "bad_timestamp"),
        (changed(timestamp="2026-03-01T00:00:00"), "bad_timestamp"),
        (changed(x="x" * 65_536), "too_large"),
        (changed(userId="c2"), "wrong_key"),
    ],
)
def test_what_is_rejected(value: bytes, reason: str) -> None:
    assert rejected(value) == [reason]


@pytest.mark.parametrize(
    "value",
    [
        changed(),
        changed(userId=7, anonymousId="c1"),
        changed(properties=[], traits="x", context=None, messageId=5),
        changed()[:-1] + b',"x":1e-400,"y":"\\ud83d\\ude00"}',
        b'{"userId":"c2","timestamp":1,' + changed()[1:],
        changed(x="x" * (65_536 - len(changed(x="")))),
    ],
)
def test_what_is_an_event(value: bytes) -> None:
    assert rejected(value) == []


def test_a_record_needs_its_key_and_a_tick_is_none() -> None:
    assert rejected(changed(), None) == ["wrong_key"]
    tick = Record(b"", None, MIDNIGHT_MS, headers=(("segue-tick", b""),))
    assert expected_live(RULES, [tick]).events == 0
    keyed = Record(b"", b"c1", MIDNIGHT_MS, headers=(("segue-tick", b""),))
    assert list(expected_live(RULES, [keyed]).rejected) == ["not_json"]


def test_in_a_replay_an_event_needs_its_time_but_no_key() -> None:
    assert list(expected_replay(RULES, [Record(changed(timestamp=None))]).rejected) == ["no_timestamp"]
    assert expected_replay(RULES, [Record(changed())]).applied == 1


def test_trait_limits_reject_whole_and_removed_traits_count() -> None:
    rule = when("trait: {late: {exists: true}}")
    many = event(1, "identify", traits={f"t{place}": None for place in range(256)})
    assert said(rule, [event(1, "identify", traits={"late": 1})]) == ["1 entered s"]
    assert said(rule, [many, event(2, "identify", traits={"late": 1})]) == []
    assert said(rule, [many, event(2, "identify", traits={"t0": 1})]) == []


def test_traits_are_at_most_32_kib_of_json_removed_ones_counted_as_null() -> None:
    rule = when("trait: {k: {exists: true}}")
    room = 32 * 1024 - len('{"k":"","n":null}')
    assert said(rule, [event(1, "identify", traits={"k": "x" * room, "n": None})]) == ["1 entered s"]
    assert said(rule, [event(1, "identify", traits={"k": "x" * (room + 1), "n": None})]) == []


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.0019z", 1),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00.5-00:30", 500),
        ("2024-02-29T12:34:56.789Z", 1_709_210_096_789),
        ("2025-02-29T00:00:00Z", None),
        ("1970-01-01T24:00:00Z", None),
        ("1970-01-01T00:00:00+24:00", None),
        ("1970-01-01 00:00:00Z", None),
        ("1970-01-01T00:00:00.Z", None),
        ("1970-01-01T00:00:00Z\n", None),
        ("١٩٧٠-01-01T00:00:00Z", None),
    ],
)
def test_date_times(text: str, ms: int | None) -> None:
    assert date_time_ms(text) == ms


def test_dates_and_durations() -> None:
    assert date_ms("1970-01-02") == 86_400_000
    assert date_ms("1970-1-2") is None
    assert [duration_ms(text) for text in ("5ms", "1.5s", "0.001s", "2m", "1h", "1d", "1w")] == [
        *(5, 1500, 1, 120_000, 3_600_000, 86_400_000, 604_800_000),
    ]


def test_millionths() -> None:
    found = [micros(one) for one in (0.1, 0.0000005, 0.0000015, 0.0000025, -0.0000005, 1e22, -2.5)]
    assert found == [100_000, 0, 2, 2, 0, 10**28, -2_500_000]


def test_paths() -> None:
    tree = {"a": [{"b": 1}, {"b": [2, 3]}, [{"b": None}, {"b": 4}], 5], "c": [], "d": {"e": {}}}
    assert leaves(tree, ["a", "b"]) == [1, [2, 3], 4]
    assert leaves(tree, ["c"]) == [[]]
    assert leaves(tree, ["c", "x"]) == []
    assert leaves(tree, ["d", "e"]) == [{}]
    assert leaves(tree, ["a", "0", "b"]) == []


@pytest.mark.parametrize(
    ("found", "comparison", "holds"),
    [
        ([1], 1.0, True),
        ([True], 1, False),
        ([1], True, False),
        ([True], True, True),
        (["1"], 1, False),
        ([True], {"gte": False}, False),
        (["b"], {"gt": "a"}, True),
        (["Z"], {"lt": "a"}, True),
        (["\U00010000"], {"gt": "\uff61"}, True),
        ([3], {"between": [1, 3]}, True),
        (["x"], {"between": [1, "z"]}, False),
        ([1, 10], {"gte": 3, "lt": 5}, True),
        ([], {"ne": 1}, True),
        ([1, 2], {"ne": 1}, False),
        ([[1, 2]], {"ne": 1}, True),
        ([[1, 2]], {"contains": 2}, True),
        ([["ab"]], {"contains": "a"}, False),
        (["ab"], {"contains": "b"}, True),
        ([[1]], {"not_contains": True}, True),
        ([{"a": 1}], {"contains": "a"}, False),
        ([[]], {"exists": True}, True),
        ([], {"exists": False}, True),
        ([], {"not_in": [1]}, True),
        (["x"], {"in": ["y", "x"]}, True),
        (["xyz"], {"matches": "y"}, True),
        (["xyz"], {"matches": "^y"}, False),
        ([12], {"matches": "1"}, False),
        (["xyz"], {"starts_with": "xy", "ends_with": "z"}, True),
        ([9007199254740993.0], 9007199254740992, True),
    ],
)
def test_comparisons(found: list[Any], comparison: Any, holds: bool) -> None:
    assert meets(found, comparison, 0) is holds


def test_a_path_starts_in_properties_else_in_the_event() -> None:
    both = event(1, name="outer", properties={"name": "inner"}, type="page")
    null = event(1, name="outer", properties={"name": None})
    assert said(when("did: {event: page, where: {name: inner}}"), [both]) == ["1 entered s"]
    assert said(when("did: {event: buy, where: {name: outer}}"), [null]) == ["1 entered s"]
    assert said(when("did: {event: page, where: {properties.name: inner}}"), [both]) == ["1 entered s"]
    assert said(when("did: {event: buy, where: {type: track}}"), [event(1)]) == []
