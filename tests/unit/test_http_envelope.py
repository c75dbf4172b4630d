"""A batch taken apart: in one pass, or by its brackets where one item is no JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.http.errors import HttpError
from streams.http.ingest.envelope import key_in_body, open_batch, split_batch


def test_it_is_opened_in_one_pass() -> None:
    envelope = open_batch(b'{"batch":[{"a":1} , 2],"sentAt":"x","context":{"y":1},"other":[null],"writeKey":"k"}')
    assert envelope is not None
    assert [bytes(item) for item in envelope.batch] == [b'{"a":1}', b"2"]
    assert (bytes(envelope.sent_at), bytes(envelope.context)) == (b'"x"', b'{"y":1}')


@pytest.mark.parametrize("body", [b"{}", b"[]", b"1", b'{"batch":{}}', b'{"batch":null}'])
def test_what_is_no_batch_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(HttpError) as error:
        open_batch(body)
    assert (error.value.status, error.value.code, error.value.more) == (400, "no_batch", {"path": "batch"})


@pytest.mark.parametrize("bad", [b'"\\ud83d"', b"[" * 50_000 + b"]" * 50_000, b"{'a':1}", b"[1 2]"])
def test_one_item_that_is_no_json_costs_itself_only(bad: bytes) -> None:
    body = b'{ "context": {"batch":[9]}, "batch" : [ {"t":"]},{[\\""} ,%s, {"b":[1,[2]]} ] , "sentAt":"x"}' % bad
    assert open_batch(body) is None
    head, items = split_batch(body, 9)
    assert [bytes(item) for item in items] == [b'{"t":"]},{[\\""}', bad, b'{"b":[1,[2]]}']
    envelope = open_batch(head)
    assert envelope is not None
    assert envelope.batch == []
    assert bytes(envelope.sent_at) == b'"x"'


@pytest.mark.parametrize("body", [b"", b"{", b'{"batch":[', b'{"batch":"[1]"}', b'"\\', b'{"x":[1]}', b'"' * 9])
def test_where_there_is_no_batch_there_is_no_json(body: bytes) -> None:
    with pytest.raises(HttpError) as error:
        split_batch(body, 9)
    assert error.value.code == "not_json"


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"[", b"{", b",", b"\\"])
def test_splitting_hostile_text_takes_time_in_proportion(piece: bytes) -> None:
    with pytest.raises(HttpError):  # a quadratic scan would run into the test's time limit
        split_batch(b'{"x":"' + piece * (1_000_000 // len(piece)), 9)


def test_too_many_items_are_not_even_found() -> None:
    with pytest.raises(HttpError) as error:
        split_batch(b'{"batch":[' + b"'," * 1_000_000, 9)
    assert error.value.status == 413


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=50)
@given(st.lists(_JSON, max_size=5), st.dictionaries(st.text(), _JSON, max_size=3))
def test_both_ways_find_the_same(items: list[Any], beside: dict[str, Any]) -> None:
    beside = {name: value for name, value in beside.items() if name != "batch"}
    body = json.dumps({**beside, "batch": items, "last": 1}).encode()
    envelope = open_batch(body)
    assert envelope is not None
    head, found = split_batch(body, 9)
    assert found == envelope.batch
    assert json.loads(head) == {**beside, "batch": [], "last": 1}


@pytest.mark.parametrize(
    ("body", "key"),
    [
        *(
            (b'{"writeKey":"k","batch":[1]}', "k"),
            (b'{"writeKey":7}', None),
            (b"[]", None),
            (b"{", None),
            (b"{}", None),
        ),
        (b'{"writeKey":"\xff"}', None),
    ],
)
def test_the_key_may_stand_in_the_body(body: bytes, key: str | None) -> None:
    assert key_in_body(body) == key
