"""The heart of the suite: the incremental engine gives exactly what the naive evaluator gives, change by change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given

from rules.load import load_text
from state.engine import Engine
from streams.clocks import LiveClock, StreamClock
from streams.replay.memory import MemoryLog, MemoryReplay
from tests.strategies import Case, live_cases, property_settings, replay_cases

if TYPE_CHECKING:
    from state.change import Change
    from streams.counters import Counters
    from tests.oracle import Result

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


def assert_equal(case: Case, changes: list[Change], counters: Counters) -> None:
    expected = case.expected()
    assert told_by_engine(changes) == told_by_oracle(expected)
    assert counters.applied == expected.applied
    assert counters.duplicates == expected.duplicates
    assert counters.rejected.total() == expected.rejected.total()
    assert counters.customers == expected.customers


@given(replay_cases(models=False))
@property_settings(0.4)
def test_a_replay_says_what_the_naive_evaluator_says(case: Case) -> None:
    assert_equal(case, *run_replay(case, engine_of(case)))


@given(live_cases(models=False))
@property_settings(0.4)
def test_a_live_log_says_what_the_naive_evaluator_says(case: Case) -> None:
    assert_equal(case, *run_live(case, engine_of(case)))


@given(live_cases(models=False))
@property_settings(0.2)
def test_nothing_is_lost_between_a_profile_and_its_bytes(case: Case) -> None:
    assert_equal(case, *run_live(case, engine_of(case, reload=True)))
