"""A stored profile is the profile: also when it is stored again and again, and where nothing of it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.errors import StateError
from rules.features import NEVER
from rules.load import load_text
from state.engine import Engine
from state.event import Event
from state.shorthand import HEAD_BYTES, INSTANT, NILS, lengthened, shortened

if TYPE_CHECKING:
    from state.profile import Profile

T0 = 1_767_225_600_000
RULES = """
segments:
  - {key: buyer, when: {did: {event: Order Completed}}}
  - {key: recent, when: {did: {event: Order Completed, within: 1h}}}
"""

OTHER = "segments: [{key: lately, when: {did: {event: Order Completed, within: 1h}}}]"


def bought() -> tuple[Engine, Profile]:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    engine.apply(profile, order(T0))
    return engine, profile


def order(at_ms: int) -> Event:
    return Event("c", "Order Completed", "track", at_ms, at_ms, {"type": "track", "event": "Order Completed"})


def test_each_time_it_is_stored_with_the_segments_it_is_in() -> None:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    assert engine.segments(engine.decode("c", engine.encode(profile))) == []
    engine.apply(profile, order(T0))
    assert engine.segments(engine.decode("c", engine.encode(profile))) == ["buyer", "recent"]
    engine.advance(profile, T0 + 3_600_001)
    assert engine.segments(engine.decode("c", engine.encode(profile))) == ["buyer"]
    engine.apply(profile, order(T0 + 7_200_000))
    assert engine.segments(engine.decode("c", engine.encode(profile))) == ["buyer", "recent"]


def test_what_is_due_and_that_nothing_is_are_both_read_back() -> None:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    engine.apply(profile, order(T0))
    assert engine.decode("c", engine.encode(profile)).dues == profile.dues
    engine.advance(profile, T0 + 3_600_001)
    assert profile.dues == {}
    assert profile.due == NEVER
    assert engine.decode("c", engine.encode(profile)).dues == profile.dues


def stood_alone(engine: Engine, profile: Profile, version: int) -> bytes:
    """Return the profile as older versions of segue stored it."""
    stored = engine.encode(profile)
    fields = msgspec.msgpack.decode(lengthened(stored, 1))
    fields[0] = fields[0].hex()
    *before, dues, _, slots, spare, models = fields
    keys = engine._codec.keys  # noqa: SLF001 - as the older ones were keyed
    due = min(dues.values(), default=None)
    if version == 3:
        return msgspec.msgpack.encode([3, *before, dues, due, next(iter(engine.form.values())), slots, spare, models])
    features = dict(zip(keys, slots, strict=True))
    older = [version, *before, [dues.get(0), dues.get(1)], due, features, spare, *([models] if version > 1 else [])]
    return msgspec.msgpack.encode(older)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_profile_of_an_older_format_is_read(version: int) -> None:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    engine.apply(profile, order(T0))
    older = stood_alone(engine, profile, version)
    restored = engine.decode("c", older)
    assert restored.due == profile.due == T0 + 3_600_000
    assert engine.encode(restored) == engine.encode(profile)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_one_of_an_older_format_is_read_under_another_ruleset_with_no_form_learned(version: int) -> None:
    engine, profile = bought()
    other = Engine(load_text(OTHER, "o.yaml"))
    assert other.knows_form(stood_alone(engine, profile, version))
    assert other.decode("c", stood_alone(engine, profile, version)).slots == [profile.slots[1]]


def test_under_another_ruleset_a_feature_is_found_by_its_definition() -> None:
    engine, profile = bought()
    other = Engine(load_text(OTHER, "o.yaml"))
    other.learn_forms(engine.form)
    moved = other.decode("c", engine.encode(profile))
    assert moved.slots == [profile.slots[1]]
    assert moved.due == T0 + 3_600_000
    assert [kept[0] for kept in moved.spare.values()] == [profile.slots[0]]


def test_one_whose_form_was_not_learned_is_not_read_at_all() -> None:
    engine, profile = bought()
    other = Engine(load_text(OTHER, "o.yaml"))
    assert engine.knows_form(engine.encode(profile))
    assert not other.knows_form(engine.encode(profile))
    with pytest.raises(StateError, match=r"form [0-9a-f]{12} is not in the head of its partition"):
        other.decode("c", engine.encode(profile))


def test_the_form_tells_features_apart_not_only_rulesets() -> None:
    engine, other = Engine(load_text(RULES, "rules.yaml")), Engine(load_text(OTHER, "o.yaml"))
    assert len(engine.form | other.form) == 2


def test_what_is_not_a_profile_is_refused() -> None:
    engine, profile = bought()
    data = engine.encode(profile)
    for broken in (b"", data[:2], data[:3], data[:9], data[:-1], b"\x92\x05\x01", b"\x91\x04", b"\x05\x01"):
        with pytest.raises(StateError):
            engine.decode("c", broken)


@given(st.binary(max_size=600), st.integers(-(1 << 62), 1 << 62))
def test_what_is_shortened_is_restored(whole: bytes, near_ms: int) -> None:
    assert lengthened(b"xy" + shortened(whole, near_ms), 2) == whole


@given(
    st.lists(st.one_of(st.integers(0, (1 << 42)), st.integers(T0 - (1 << 31), T0), st.none(), st.binary(max_size=40))),
    st.integers(0, 80),
)
def test_instants_and_runs_of_nothing_are_restored_among_any_bytes(values: list[Any], nils: int) -> None:
    whole = msgspec.msgpack.encode([*values, *[None] * nils])
    assert lengthened(shortened(whole, T0), 0) == whole


def test_where_every_byte_occurs_nothing_is_shortened() -> None:
    whole = bytes(range(256)) + INSTANT + b"\x01\x9b" + NILS
    assert shortened(whole, T0) == b"\x00\x00\x01\x9b" + whole


def test_instants_near_the_clock_take_five_bytes_and_sixteen_nils_one() -> None:
    whole = msgspec.msgpack.encode([T0, T0 - 1, *[None] * 32])
    assert len(whole) - len(shortened(whole, T0)) == 4 + 4 + 30 - HEAD_BYTES
