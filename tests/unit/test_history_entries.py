"""What the history keeps of a change is the change, byte for byte."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import UnknownFormat
from state.change import Change
from state.packed_history import pack, unpack
from streams.changes import make_entry, value_of
from streams.http.lookup.kept import seen, whole

EMITTED = "2026-03-01T12:00:01.012Z"
TEXTS = st.text(max_size=12)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Return a change, with anything in it that may stand in one."""
    return Change(
        customer=draw(TEXTS),
        seq=draw(st.integers(1, 2**53)),
        change=draw(st.sampled_from(["entered", "exited"])),
        segment=draw(TEXTS),
        segmentation=draw(st.none() | TEXTS),
        other=draw(st.none() | TEXTS),
        at=draw(st.integers(-(10**12), 10**13)),
        cause=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
        because=[{"path": draw(TEXTS), "value": draw(st.none() | st.floats(allow_nan=False, allow_infinity=False))}],
        segments=draw(st.lists(TEXTS, max_size=3)),
        ruleset="a1b2",
    )


def sent(change: Change, app: str = "segue") -> bytes:
    """Return the record's value."""
    return value_of(make_entry(app, change, 1), EMITTED)


@given(changes())
def test_a_change_comes_out_as_it_went_in(change: Change) -> None:
    value = sent(change)
    found = seen("segue", value)
    assert whole("segue", change.customer, unpack(pack([found.entry]))) == [value]
    assert b"\n" not in found.entry
    assert found.entry.startswith(b'"seq":')
    name = change.segment if change.segmentation is None else f"{change.segmentation}.{change.segment}"
    assert (found.customer, found.segment, found.entered) == (change.customer, name, change.change == "entered")


@given(st.lists(changes(), min_size=1, max_size=8))
def test_many_come_out_in_their_order(many: list[Change]) -> None:
    for change in many:
        change.customer = "c42"
    packed = pack([seen("segue", sent(change)).entry for change in many])
    assert whole("segue", "c42", unpack(packed)) == [sent(change) for change in many]


@given(changes())
def test_what_is_written_otherwise_is_kept_whole(change: Change) -> None:
    """An id that is not worked out from the rest, other spaces, another order: the JSON is the same."""
    content = orjson.loads(sent(change))
    for odd in (
        orjson.dumps(content, option=orjson.OPT_INDENT_2),
        b" " + orjson.dumps(content),
        orjson.dumps(content | {"id": "another"}),
        orjson.dumps(content, option=orjson.OPT_SORT_KEYS),
        sent(change, "another-app"),
    ):
        [restored] = whole("segue", change.customer, unpack(pack([seen("segue", odd).entry])))
        assert orjson.loads(restored) == orjson.loads(odd)


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"id": 1}', b"\xff"])
def test_what_is_no_change_is_refused(value: bytes) -> None:
    with pytest.raises(UnknownFormat):
        seen("segue", value)


def test_an_instant_of_emission_that_is_none_is_refused() -> None:
    change = Change("c", 1, "entered", "s", None, None, 0, {}, [], [], "r")
    with pytest.raises(UnknownFormat, match="no instant"):
        seen("segue", value_of(make_entry("segue", change, 1), "yesterday"))


@pytest.mark.parametrize("value", [b"", b"\x02abc", b"\x01abc", b"\x01"])
def test_a_packed_history_of_another_kind_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack(value)


def test_fifteen_changes_are_kept_in_less_than_a_tenth() -> None:
    customers = [
        Change(
            "c42",
            seq,
            "entered" if seq % 2 else "exited",
            ("loyal", "at_risk", "new")[seq % 3],
            "lifecycle",
            None,
            1_772_366_400_000 + seq * 86_400_000,
            {"type": "event", "event": "Order Completed", "message_id": f"m-{seq}"},
            [{"path": "loyal.when.did", "holds": True, "value": seq, "wanted": "gte 3", "text": "did Order Completed"}],
            ["newsletter", f"lifecycle.{('loyal', 'at_risk', 'new')[seq % 3]}"],
            "a1b2c3d4e5f6",
        )
        for seq in range(15)
    ]
    values = [sent(change) for change in customers]
    packed = pack([seen("segue", value).entry for value in values])
    assert len(packed) < sum(map(len, values)) / 10
