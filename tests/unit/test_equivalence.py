"""The heart of the suite: the incremental engine gives exactly what the naive evaluator gives, change by change.

With models it says the same changes, takes and releases the same samples, and gives the same scores; what a model says
is scripted there.

Cases come from seeds, the same on every machine; SEGUE_PROPERTY_CASES says how many of each kind (2,500; of models an
eighth as many), and SEGUE_PROPERTY_SEED where they begin (0), for cases that nobody has tried.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.load import load_text
from state.engine import Engine
from state.profile import Profile
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
    sample_crowd,
    sample_crowded,
    sample_long,
    sample_overtaken,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rules.ruleset import Ruleset
    from state.change import Change
    from state.engine import Applied
    from state.event import Event
    from state.models.sample import Sample
    from streams.counters import Counters
    from tests.oracle import Record, Released, Result

BLOCKS = 5
FIRST_SEED = int(os.environ.get("SEGUE_PROPERTY_SEED", "0"))

KEPT = [name for name in dir(Profile) if not name.startswith("_") and not callable(getattr(Profile, name))]
"""What a profile holds."""

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


def samples_of(released: Sequence[Sample | Released]) -> Told:
    told: Told = {}
    for one in released:
        told.setdefault(f"{one.customer} {one.model}", []).append(
            (one.at, one.released_at, one.why, one.x, one.y, one.score, one.version)
        )
    return told


def engine_of(case: Case, *, reload: bool = False) -> Watched:
    ruleset = load_text(json.dumps(case.definitions), json=True)
    return (Reloading if reload else Watched)(ruleset, max_late_ms=case.max_late_ms)


class Watched:
    """An engine whose released samples are gathered; not a subclass, which a compiled engine cannot have."""

    def __init__(self, ruleset: Ruleset, *, max_late_ms: int) -> None:
        self._engine = Engine(ruleset, max_late_ms=max_late_ms)
        self.released: list[Sample] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def apply(self, profile: Profile, event: Event) -> Applied:
        applied = self._engine.apply(profile, event)
        self._take(profile)
        return applied

    def advance(self, profile: Profile, before_ms: int) -> list[Change]:
        changes = self._engine.advance(profile, before_ms)
        self._take(profile)
        return changes

    def _take(self, profile: Profile) -> None:
        self.released += profile.released
        profile.released = []


class Reloading(Watched):
    """An engine that forgets everything after each event but what the bytes of a profile keep."""

    def apply(self, profile: Profile, event: Event) -> Applied:
        applied = super().apply(profile, event)
        restored = self.decode(profile.customer, self.encode(profile))
        for name in KEPT:
            setattr(profile, name, getattr(restored, name))
        return applied


Run = tuple[list["Change"], "Counters", dict[tuple[str, str], Any]]


def run(case: Case, engine: Watched) -> Run:
    return (run_live if case.live else run_replay)(case, engine)


def run_replay(case: Case, engine: Watched) -> Run:
    replay = MemoryReplay(cast("Engine", engine), StreamClock(lag_ms=0), until_ms=case.until_ms)
    changes = [change for record in published(case, engine) for change in replay.feed(record.value)]
    return [*changes, *replay.finish()], replay.counters, scores_of(replay.profiles.values())


def run_live(case: Case, engine: Watched) -> Run:
    clock = LiveClock(grace_ms=case.grace_ms, clock_skew_ms=case.clock_skew_ms, max_future_ms=case.max_future_ms)
    log = MemoryLog(cast("Engine", engine), clock)
    changes = [
        change
        for record in published(case, engine)
        for change in log.feed(record.partition, record.broker_ms, record.key, record.value, tick=record.is_tick)
    ]
    changes += log.finish(case.until_ms)
    return changes, log.counters, scores_of(one for part in log.profiles.values() for one in part.values())


def published(case: Case, engine: Watched) -> Iterator[Record]:
    """Yield the records, each with the snapshots in force that came before it."""
    snapshots = dict(case.snapshots)
    for place, record in enumerate(case.records):
        engine.scorers.update(snapshots.pop(place, {}))
        yield record
    for scorers in snapshots.values():
        engine.scorers.update(scorers)


def scores_of(profiles: Iterable[Profile]) -> dict[tuple[str, str], Any]:
    return {(one.customer, model): tuple(said[:2]) for one in profiles for model, said in one.scores.items()}


def told(case: Case, engine: Watched) -> tuple[Any, ...]:
    changes, counters, scores = run(case, engine)
    counts = counters.applied, counters.duplicates, counters.rejected.total(), counters.customers
    return told_by_engine(changes), counts, samples_of(engine.released), scores


def wanted(case: Case) -> tuple[Any, ...]:
    result = case.expected()
    counts = result.applied, result.duplicates, result.rejected.total(), result.customers
    return told_by_oracle(result), counts, samples_of(result.released), result.scores


def differs(case: Case, *, reload: bool = False) -> bool:
    return told(case, engine_of(case, reload=reload)) != wanted(case)


def check(case: Case, *, reload: bool = False) -> None:
    """Fail with the smallest case found, as commands to run again, where engine and evaluator differ."""
    if differs(case, reload=reload):
        least = minimize(case, lambda smaller: differs(smaller, reload=reload))
        pytest.fail(f"{least!r}\ngot: {told(least, engine_of(least, reload=reload))}\nwanted: {wanted(least)}")


def seeds(block: int) -> range:
    size = -(-PROPERTY_CASES // BLOCKS)
    return range(FIRST_SEED + block * size, FIRST_SEED + (block + 1) * size)


@pytest.mark.timeout(0)  # as long as SEGUE_PROPERTY_CASES asks for
@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("live", [False, True], ids=["replay", "live"])
def test_the_engine_says_what_the_naive_evaluator_says(block: int, live: bool) -> None:
    for seed in seeds(block):
        check(sample(seed, live=live))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("live", [False, True], ids=["replay", "live"])
def test_with_models_it_says_samples_and_scores_the_same(live: bool) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + max(1, PROPERTY_CASES // 8)):
        check(sample(seed, live=live, models=True))


@pytest.mark.timeout(0)
def test_it_does_so_where_a_model_s_timers_are_ahead_of_what_comes_late() -> None:
    for number in range(max(1, PROPERTY_CASES // 3)):
        check(sample_overtaken(FIRST_SEED + number, live=True))


@pytest.mark.timeout(0)
def test_a_model_counts_the_events_of_a_full_window_the_same() -> None:
    for number in range(max(1, PROPERTY_CASES // 400)):
        check(sample_crowd(FIRST_SEED + number, live=bool(number % 2)))


@pytest.mark.timeout(0)
def test_nothing_of_a_model_is_lost_between_a_profile_and_its_bytes() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + max(1, PROPERTY_CASES // 20)):
        check(sample(seed, live=True, models=True), reload=True)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("make", [sample_long, sample_crowded], ids=["long", "crowded"])
def test_it_does_so_on_long_histories_and_full_windows(make: Callable[..., Case]) -> None:
    for number in range(max(1, PROPERTY_CASES // 50)):
        check(make(FIRST_SEED + number, live=bool(number % 2)))


@pytest.mark.timeout(0)
def test_nothing_is_lost_between_a_profile_and_its_bytes() -> None:
    for seed in seeds(BLOCKS):
        check(sample(seed, live=True), reload=True)


@given(st.one_of(replay_cases(), live_cases(), replay_cases(models=True), live_cases(models=True)))
@property_settings(0.04)
def test_hypothesis_finds_no_case_either(case: Case) -> None:
    check(case)
