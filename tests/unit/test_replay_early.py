"""Timers that fire as soon as it is certain change nothing: neither steps nor a sweeper have a say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rules.load import load_text
from state.engine import Engine
from streams.clocks import NEVER_MS, StreamClock
from streams.replay.measure import measure
from streams.replay.memory import MemoryReplay
from tests.strategies import Case, sample, sample_long

if TYPE_CHECKING:
    from state.change import Change

SEEDS = 250


def by_customer(changes: list[Change]) -> dict[str, list[Change]]:
    told: dict[str, list[Change]] = {}
    for change in changes:
        told.setdefault(change.customer, []).append(change)
    return told


def replayed(case: Case, *, early: bool) -> tuple[dict[str, list[Change]], int]:
    """Return the changes by customer, and how many of them were early."""
    engine = Engine(load_text(json.dumps(case.definitions), json=True), max_late_ms=case.max_late_ms)
    clock = StreamClock(lag_ms=measure(record.value for record in case.records).lag_ms)
    replay = MemoryReplay(engine, clock, until_ms=case.until_ms, early=early)
    changes: list[Change] = []
    fired = 0
    for record in case.records:
        changes += replay.feed(record.value)
        if early and replay.counters.applied:
            advanced = list(replay.advance(clock.certain_ms(NEVER_MS, replay.counters.newest_event_ms)))
            changes += advanced
            fired += len(advanced)
    return by_customer([*changes, *replay.finish()]), fired


def test_on_random_cases() -> None:
    fired = 0
    for seed in range(SEEDS):
        case = (sample if seed % 10 else sample_long)(seed, live=False)
        told, early = replayed(case, early=True)
        assert told == replayed(case, early=False)[0], case
        fired += early
    assert fired > 100


@pytest.mark.parametrize("lag_ms", [0, 1])
def test_the_lag_is_what_makes_it_safe(lag_ms: int) -> None:
    """An event 1 ms behind the newest keeps a timer that is due at its own instant from firing before it."""
    rules = "segments: [{key: gone, when: {since_last: {event: A, gte: 1s}}}]"
    stamps = (("c1", "00.000"), ("c2", "01.001"), ("c1", "01.000"))
    lines = [
        b'{"type":"track","event":"A","userId":"%b","timestamp":"2026-01-01T00:00:%bZ"}' % (who.encode(), at.encode())
        for who, at in stamps
    ]
    assert measure(lines).lag_ms == 1
    clock = StreamClock(lag_ms=lag_ms)
    replay = MemoryReplay(Engine(load_text(rules)), clock, early=True)
    changes = []
    for line in lines:
        changes += [*replay.feed(line), *replay.advance(clock.certain_ms(NEVER_MS, replay.counters.newest_event_ms))]
    assert [change.change for change in changes] == ([] if lag_ms else ["entered", "exited"])
