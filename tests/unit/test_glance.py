from __future__ import annotations

import msgspec
import pytest

from rules.errors import StateError
from rules.load import load_text
from state.codec import FORMAT
from state.engine import Engine
from state.event import Event
from state.glance import Level, glance
from state.shorthand import lengthened

T0 = 1_767_225_600_000
RULES = load_text("""
segments:
  - {key: seen, when: {did: {event: '*'}}}
  - {key: buyer, when: {did: {event: Bought}}}
segmentations:
  - {key: stage, segments: [buyer], otherwise: visitor}
""")


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_traits_and_levels_are_read_without_the_ruleset_from_every_format(version: int) -> None:
    engine = Engine(RULES)
    profile = engine.new("c")
    said = {"type": "identify", "traits": {"email": "c@shop.example", "age": 7}}
    engine.apply(profile, Event("c", "identify", "identify", T0, T0, said))
    engine.apply(profile, Event("c", "Bought", "track", T0 + 1_000, T0, {"type": "track", "event": "Bought"}))
    stored = msgspec.msgpack.decode(lengthened(engine.encode(profile), 1))
    older = [
        version,
        stored[0].hex(),
        *stored[1:10],
        None,
        {},
        *stored[12:],
    ]  # what `state.codec` says of the formats before 4
    found = glance("c", engine.encode(profile) if version == FORMAT else msgspec.msgpack.encode(older))
    assert (found.ruleset, found.seq) == (RULES.version, profile.seq)
    assert found.traits == {"email": "c@shop.example", "age": 7}
    assert sorted(found.levels) == [Level("buyer", "stage", T0 + 1_000), Level("seen", None, T0)]


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", msgspec.msgpack.encode([3]), b"\x04", b"\x04\x00\x00\x00\x00\x91", msgspec.msgpack.encode({"a": 1})],
)
def test_what_is_no_profile_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(StateError, match="customer 'c'"):
        glance("c", data)
