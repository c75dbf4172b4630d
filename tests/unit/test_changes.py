"""A change on its way: to the outbox, to the wire."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import UnknownFormat
from state.change import Change
from streams.changes import change_id, headers_of, make_entry, pack_entry, size_name, unpack_entry, value_of


def change(**fields: object) -> Change:
    default = {
        "customer": "cé",
        "seq": 17,
        "change": "entered",
        "segment": "at_risk",
        "segmentation": "lifecycle",
        "other": "loyal",
        "at": 1_772_366_400_000,
        "cause": {"type": "event", "event": "Order Completed", "message_id": "m-1"},
        "because": [{"path": "when.did", "holds": True, "value": 3, "wanted": "gte 3", "text": "did it"}],
        "segments": ["newsletter", "lifecycle.at_risk"],
        "ruleset": "a1b2c3d4e5f6",
    }
    return Change(**default | fields)  # type: ignore[arg-type]  # a literal per field


def test_the_value_has_the_fields_of_the_contract_in_its_order() -> None:
    entry = make_entry("segue", change(), 5)
    value = orjson.loads(value_of(entry, "2026-03-01T12:00:01.012Z"))
    assert list(value.items()) == [
        ("id", entry.id),
        ("customer_id", "cé"),
        ("seq", 17),
        ("change", "entered"),
        ("segment", "at_risk"),
        ("segmentation", "lifecycle"),
        ("other", "loyal"),
        ("at", "2026-03-01T12:00:00.000Z"),
        ("emitted_at", "2026-03-01T12:00:01.012Z"),
        ("cause", change().cause),
        ("because", change().because),
        ("segments", ["newsletter", "lifecycle.at_risk"]),
        ("ruleset", "a1b2c3d4e5f6"),
    ]


@given(text=st.text(), seq=st.integers(1, 2**63 - 1))
def test_the_value_is_the_same_bytes_as_that_of_one_object_written_at_once(text: str, seq: int) -> None:
    entry = make_entry("segue", change(customer=text, seq=seq, other=text, because=[{"value": 1e20}]), 5)
    value = value_of(entry, "2026-03-01T12:00:01.012Z")
    assert value == orjson.dumps(orjson.loads(value))


def test_headers() -> None:
    entry = make_entry("shop", change(change="exited"), 5)
    assert dict(headers_of("shop", entry)) == {
        "ce_specversion": b"1.0",
        "ce_id": entry.id.encode(),
        "ce_source": b"/segue/shop",
        "ce_type": b"segue.segment.exited",
        "ce_subject": "cé".encode(),
        "ce_time": b"2026-03-01T12:00:00.000Z",
        "content-type": b"application/json",
        "segue-commit": b"5",
    }


def test_the_same_change_computed_again_has_the_same_id() -> None:
    assert change_id("segue", change()) == change_id("segue", change(because=[], segments=[], ruleset="x", cause={}))


@pytest.mark.parametrize(
    "other", [{"customer": "c"}, {"seq": 18}, {"segment": "x"}, {"change": "exited"}, {"at": 1}], ids=str
)
def test_another_change_has_another_id(other: dict[str, object]) -> None:
    assert change_id("segue", change()) != change_id("segue", change(**other))


def test_another_app_has_another_id() -> None:
    assert change_id("a", change()) != change_id("b", change())


def test_the_outbox_gives_back_what_it_got() -> None:
    entry = make_entry("segue", change(), 5)
    assert unpack_entry(pack_entry(entry)) == entry


@pytest.mark.parametrize(
    "data", [b"", b"\x93\x01", pack_entry(make_entry("segue", change(), 5)).replace(b"\x98\x01", b"\x98\x02")]
)
def test_an_entry_of_another_format_is_refused(data: bytes) -> None:
    with pytest.raises(UnknownFormat, match="outbox"):
        unpack_entry(data)


def test_sizes_are_kept_by_qualified_names() -> None:
    assert size_name(change()) == "lifecycle.at_risk"
    assert size_name(change(segmentation=None)) == "at_risk"
