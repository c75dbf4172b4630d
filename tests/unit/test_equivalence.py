"""The heart of the suite: the incremental engine gives exactly what the naive evaluator gives, change by change.

Cases come from seeds, the same on every machine; SEGUE_PROPERTY_CASES says how many of each kind (2,500), and
SEGUE_PROPERTY_SEED where they begin (0), for cases that nobody has tried.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.load import load_text
from state.engine import Engine
from streams.clocks import LiveClock, StreamClock
from streams.replay.memory import MemoryLog, MemoryReplay
from tests.strategies import (
    PROPERTY_CASES,
    Case,
    live_cases,
    minimize,
    property_settings,
    replay_cases,
    sample,
    sample_crowded,
    sample_long,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.change import Change
    from streams.counters import Counters
    from tests.oracle import Result

BLOCKS = 5
FIRST_SEED = int(os.environ.get("SEGUE_PROPERTY_SEED", "0"))

Told = dict[str, list[tuple[Any, ...]]]


def told_by_engine(changes: list[Change]) -> Told:
    told: Told = {}
    for one in changes:
        cause = (one.cause["type"], one.cause.get("event"), one.cause.get("message_id"))
        told.setdefault(one.customer, []).append(
            (one.seq, one.change, one.segment, one.segmentation, one.other, one.at, cause, tuple(one.segments))
        )
    return told


def told_by_oracle(result: Result) -> Told:
    told: Told = {}
    for one in result.changes:
        cause = (one.cause["type"], one.cause.get("event"), one.cause.get("message_id"))
        told.setdefault(one.customer_id, []).append(
            (one.seq, one.change, one.segment, one.segmentation, one.other, one.at, cause, tuple(one.segments))
        )
    return told


def engine_of(case: Case, *, reload: bool = False) -> Engine:
    engine = Engine(load_text(json.dumps(case.definitions), json=True), max_late_ms=case.max_late_ms)
    return Reloading(engine) if reload else engine


class Reloading(Engine):
    """An engine that forgets everything after each event but what the bytes of a profile keep."""

    def __init__(self, engine: Engine) -> None:
        self.__dict__.update(engine.__dict__)

    def apply(self, profile: Any, event: Any) -> Any:
        applied = super().apply(profile, event)
        restored = self.decode(profile.customer, self.encode(profile))
        for name in type(profile).__slots__:
            setattr(profile, name, getattr(restored, name))
        return applied


def run_replay(case: Case, engine: Engine) -> tuple[list[Change], Counters]:
    replay = MemoryReplay(engine, StreamClock(lag_ms=0), until_ms=case.until_ms)
    changes = [change for record in case.records for change in replay.feed(record.value)]
    return [*changes, *replay.finish()], replay.counters


def run_live(case: Case, engine: Engine) -> tuple[list[Change], Counters]:
    clock = LiveClock(grace_ms=case.grace_ms, clock_skew_ms=case.clock_skew_ms, max_future_ms=case.max_future_ms)
    log = MemoryLog(engine, clock)
    changes = [
        change
        for record in case.records
        for change in log.feed(record.partition, record.broker_ms, record.key, record.value, tick=record.is_tick)
    ]
    return [*changes, *log.finish(case.until_ms)], log.counters


def told(changes: list[Change], counters: Counters) -> tuple[Any, ...]:
    return told_by_engine(changes), counters.applied, counters.duplicates, counters.rejected.total(), counters.customers


def wanted(case: Case) -> tuple[Any, ...]:
    result = case.expected()
    told = told_by_oracle(result)
    return told, result.applied, result.duplicates, result.rejected.total(), result.customers


def differs(case: Case, *, reload: bool = False) -> bool:
    run = run_live if case.live else run_replay
    return told(*run(case, engine_of(case, reload=reload))) != wanted(case)


def check(case: Case, *, reload: bool = False) -> None:
    """Fail with the smallest case found, as commands to run again, where engine and evaluator differ."""
    if differs(case, reload=reload):
        least = minimize(case, lambda smaller: differs(smaller, reload=reload))
        run = run_live if least.live else run_replay
        pytest.fail(f"{least!r}\ngot: {told_by_engine(run(least, engine_of(least, reload=reload))[0])}")


def seeds(block: int) -> range:
    size = -(-PROPERTY_CASES // BLOCKS)
    return range(FIRST_SEED + block * size, FIRST_SEED + (block + 1) * size)


@pytest.mark.timeout(0)  # as long as SEGUE_PROPERTY_CASES asks for
@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("live", [False, True], ids=["replay", "live"])
def test_the_engine_says_what_the_naive_evaluator_says(block: int, live: bool) -> None:
    for seed in seeds(block):
        check(sample(seed, live=live, models=seed % 5 == 0))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("make", [sample_long, sample_crowded], ids=["long", "crowded"])
def test_it_does_so_on_long_histories_and_full_windows(make: Callable[..., Case]) -> None:
    for number in range(max(1, PROPERTY_CASES // 50)):
        check(make(FIRST_SEED + number, live=bool(number % 2)))


@pytest.mark.timeout(0)
def test_nothing_is_lost_between_a_profile_and_its_bytes() -> None:
    for seed in seeds(BLOCKS):
        check(sample(seed, live=True), reload=True)


@given(st.one_of(replay_cases(), live_cases()))
@property_settings(0.04)
def test_hypothesis_finds_no_case_either(case: Case) -> None:
    check(case)
