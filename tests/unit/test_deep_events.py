"""However deep an event nests, it is applied or rejected: a sender cannot stop a worker with it."""

from __future__ import annotations

import orjson
import pytest

from rules.load import load_text
from state.engine import Engine
from streams.changes import make_entry
from streams.clocks import StreamClock
from streams.replay.memory import MemoryReplay

RULES = load_text("""
segments:
  - {key: counted, when: {did: {event: X, where: {items.price: {gte: 5}}}}}
  - {key: known, when: {trait: {deep: {exists: true}}}}
""")
TRACK = b'{"type":"track","event":"X","userId":"u","timestamp":"2026-01-01T00:00:00Z","properties":{"items":%b}}'
IDENTIFY = b'{"type":"identify","userId":"u","timestamp":"2026-01-01T00:00:01Z","traits":{"deep":%b}}'


@pytest.mark.parametrize(
    ("depth", "entered", "rejected"),
    [
        (10, ["counted", "known"], {}),
        (240, ["counted", "known"], {}),
        (255, ["counted"], {"traits_too_large": 1}),
        (1_000, ["counted"], {"traits_too_large": 1}),
        (5_000, [], {"not_json": 2}),
    ],
)
def test_deep_nesting_is_applied_or_rejected(depth: int, entered: list[str], rejected: dict[str, int]) -> None:
    nested = b"[" * depth + b'{"price":7}' + b"]" * depth
    engine = Engine(RULES, view_traits=["deep"])
    replay = MemoryReplay(engine, StreamClock(lag_ms=0))
    changes = [change for event in (TRACK, IDENTIFY) for change in replay.feed(event % nested)]
    assert [change.segment for change in changes] == entered
    assert replay.counters.rejected == rejected
    for change in changes:
        make_entry("segue", change, 1)
    for profile in replay.profiles.values():
        restored = engine.decode("u", engine.encode(profile))
        assert orjson.dumps(engine.show(restored)) == orjson.dumps(engine.show(profile))
