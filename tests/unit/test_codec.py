"""A stored profile is the profile: also when it is stored again and again, and where nothing of it is due."""

from __future__ import annotations

import msgspec
import pytest

from rules.features import NEVER
from rules.load import load_text
from state.engine import Engine
from state.event import Event

T0 = 1_767_225_600_000
RULES = """
segments:
  - {key: buyer, when: {did: {event: Order Completed}}}
  - {key: recent, when: {did: {event: Order Completed, within: 1h}}}
"""


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


@pytest.mark.parametrize("version", [1, 2])
def test_a_profile_of_an_older_format_is_read(version: int) -> None:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    engine.apply(profile, order(T0))
    _, *before, dues, due, _, slots, spare, models = msgspec.msgpack.decode(engine.encode(profile))
    features = dict(zip(engine._codec.keys, slots, strict=True))  # noqa: SLF001 - as the older ones were keyed
    older = [version, *before, [dues.get(0), dues.get(1)], due, features, spare, *([models] if version > 1 else [])]
    assert engine.encode(engine.decode("c", msgspec.msgpack.encode(older))) == engine.encode(profile)


def test_under_another_ruleset_a_feature_is_found_by_its_definition() -> None:
    engine = Engine(load_text(RULES, "rules.yaml"))
    profile = engine.new("c")
    engine.apply(profile, order(T0))
    other = Engine(load_text("segments: [{key: lately, when: {did: {event: Order Completed, within: 1h}}}]", "o.yaml"))
    moved = other.decode("c", engine.encode(profile))
    assert moved.slots == [profile.slots[1]]
    assert [kept[0] for kept in moved.spare.values()] == [profile.slots[0]]
