"""Laws that every feature holds, with ids `feature:law`: against the definition over the full history."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rules.features import (
    NEVER,
    Count,
    FeatureSpec,
    Newest,
    NewestTimes,
    Oldest,
    Selector,
    Sequence,
    Step,
    Total,
    feature_key,
)
from state.cost import feature_bytes
from state.event import Event
from state.features import make_feature
from state.features.base import Caps

if TYPE_CHECKING:
    from collections.abc import Callable

T0 = 1_767_225_600_000
WITHIN_MS = 50
MAX_LATE_MS = 40
LOOK_AHEAD_MS = 70
A, B = Selector(("A",)), Selector(("B",))

Seen = list[tuple[Event, int]]
"""Every event, with the instant it was evaluated at, in order of arrival."""


def values_of(seen: Seen, t: int, within_ms: int | None) -> list[Any]:
    """Return the values of the events in the window, by time and then by arrival."""
    ordered = sorted(seen, key=lambda one: one[0].ts)  # stable: arrival stays the order of equal times
    inside = [one for one, _ in ordered if within_ms is None or one.ts > t - within_ms]
    return [one.body["properties"]["v"] for one in inside]


def millionths(number: float) -> int:
    return round(number * 1_000_000)


AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "sum": lambda values: millionths(sum(values)),
    "avg": lambda values: round(millionths(sum(values)) / len(values)),
    "min": min,
    "max": max,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "distinct": lambda values: len(set(values)),
}


def completed(seen: Seen, steps: tuple[Step, ...]) -> int | None:
    """Return the newest time at which the steps were done, trying every choice of events."""
    taken = [(place, one.ts) for place, (one, now) in enumerate(seen) if now - one.ts <= MAX_LATE_MS]
    ends = {(place, ts) for place, ts in taken if seen[place][0].name in steps[0].selector.names}
    for step in steps[1:]:
        ends = {
            (place, ts)
            for place, ts in taken
            if seen[place][0].name in step.selector.names
            and any(
                earlier < place
                and then <= ts
                and (step.within_ms is None or ts - then <= step.within_ms)
                and (step.after_ms is None or ts - then >= step.after_ms)
                for earlier, then in ends
            )
        }
    return max((ts for _, ts in ends), default=None)


@dataclass(frozen=True)
class Case:
    """A feature, how it is read, and what that must be of the full history at an instant."""

    name: str
    spec: FeatureSpec
    read: Callable[[Any, Any, int], tuple[Any, int]]
    model: Callable[[Seen, int], Any]
    empty: Any = None

    def make(self) -> Any:
        return make_feature(self.spec, max_late_ms=MAX_LATE_MS, caps=Caps())

    def value(self, feature: Any, state: Any, t: int) -> tuple[Any, int]:
        return (self.empty, NEVER) if state is None else self.read(feature, state, t)


def read(feature: Any, state: Any, t: int) -> tuple[Any, int]:
    found: tuple[Any, int] = feature.read(state, t)
    return found


def total(agg: str, within_ms: int | None) -> Case:
    form = {"distinct": "distinct", "first": "scalars", "last": "scalars"}.get(agg, "numbers")

    def model(seen: Seen, t: int) -> Any:
        values = values_of(seen, t, within_ms)
        return AGGREGATES[agg](values) if values else None

    name = f"total-{agg}-{'running' if within_ms is None else 'windowed'}"
    return Case(name, Total(A, "v", form, within_ms), lambda f, s, t: f.aggregate(s, t, agg), model)


def sequence(name: str, *steps: Step) -> Case:
    return Case(name, Sequence(steps), read, lambda seen, _t: completed(seen, steps))


CASES = [
    Case(
        "newest", Newest(A), lambda _f, s, _t: (s, NEVER), lambda seen, _t: max((e.ts for e, _ in seen), default=None)
    ),
    Case(
        "oldest", Oldest(A), lambda _f, s, _t: (s, NEVER), lambda seen, _t: min((e.ts for e, _ in seen), default=None)
    ),
    Case("count", Count(A), read, lambda seen, _t: len(seen), empty=0),
    Case(
        "newest_times",
        NewestTimes(A, 4, WITHIN_MS),
        read,
        lambda seen, t: min(4, len(values_of(seen, t, WITHIN_MS))),
        empty=0,
    ),
    *(total(agg, within_ms) for agg in AGGREGATES for within_ms in (WITHIN_MS, None)),
    sequence("sequence-within", Step(A), Step(B, 20)),
    sequence("sequence-after", Step(A), Step(A, 30, 10), Step(B, None, 5)),
    sequence("sequence-long", Step(A), Step(B), Step(A, 25), Step(B, 40)),
]


def history(seed: int, names: str, length: int = 120) -> Seen:
    """Return events a few milliseconds apart, some at equal times, some late, now and then a pause."""
    draw = random.Random(seed)
    now, seen = T0, []
    for number in range(length):
        now += draw.choice((0, 0, 1, 2, 3, 7, 60 if number % 20 == 19 else 1))
        ts = now - draw.choice((0, 0, 0, 1, 5, 30, 45, 80))
        name = draw.choice(names)
        body = {"type": "track", "event": name, "properties": {"v": draw.choice((0, 1, 2.5, -3, 7, 0.1, 1e6))}}
        seen.append((Event("c", name, "track", ts, ts, body), now))
    return seen


def names_of(case: Case) -> str:
    return "AB" if isinstance(case.spec, Sequence) else "A"


def it_is_its_definition_over_the_full_history(case: Case) -> None:
    """Know at any instant from the clock on what the full history knows."""
    for seed in range(4):
        feature, state, seen = case.make(), None, []
        for one, now in history(seed, names_of(case)):
            seen.append((one, now))
            state = feature.update(state, one, now)
            for t in (now, now + 1, now + WITHIN_MS - 1, now + WITHIN_MS, now + LOOK_AHEAD_MS):
                assert case.value(feature, state, t)[0] == case.model(seen, t), (seed, one, t - now)


def until_is_never_late(case: Case) -> None:
    """Hold the value up to `until`, which lies ahead."""
    for seed in range(2):
        feature, state = case.make(), None
        for one, now in history(seed, names_of(case), 60):
            state = feature.update(state, one, now)
            value, until = case.value(feature, state, now)
            assert until > now
            assert all(case.value(feature, state, t)[0] == value for t in range(now, min(until, now + LOOK_AHEAD_MS)))


def a_snapshot_round_trips(case: Case) -> None:
    """Go on from msgpack's bytes, after any event, as if nothing had been; what is kept is all of it."""
    feature, other = case.make(), case.make()
    state, restored = None, None
    for one, now in history(7, names_of(case)):
        state = feature.update(state, one, now)
        restored = other.update(msgspec.msgpack.decode(msgspec.msgpack.encode(restored)), one, now)
        assert restored == state


def it_stays_small(case: Case) -> None:
    """Take no more bytes than `segue check` says, however much comes."""
    feature, state = case.make(), None
    for seed in range(20):
        for one, now in history(seed, names_of(case)):
            state = feature.update(state, one, now)
        assert len(msgspec.msgpack.encode(state)) <= feature_bytes(case.spec)


def the_definition_alone_is_its_key(case: Case) -> None:
    """Keep one key for one definition, and another for another."""
    again = replace(case.spec)
    assert feature_key(again) == feature_key(case.spec)
    others = {feature_key(other.spec) for other in CASES if other.spec != case.spec}
    assert feature_key(case.spec) not in others
    assert 0 <= feature_key(case.spec) < 1 << 63


LAWS: list[Callable[[Case], None]] = [
    it_is_its_definition_over_the_full_history,
    until_is_never_late,
    a_snapshot_round_trips,
    it_stays_small,
    the_definition_alone_is_its_key,
]


@pytest.mark.parametrize(
    ("case", "law"), [pytest.param(case, law, id=f"{case.name}:{law.__name__}") for case in CASES for law in LAWS]
)
def test_law(case: Case, law: Callable[[Case], None]) -> None:
    law(case)


def test_every_kind_of_feature_is_held_to_the_laws() -> None:
    assert {type(case.spec) for case in CASES} == {Newest, Oldest, Count, NewestTimes, Total, Sequence}
    assert {type(case.make()).__name__ for case in CASES} == {
        *("Newest", "Oldest", "Count", "NewestTimes", "Sequence"),
        *("RunningNumbers", "RunningScalars", "RunningDistinct", "Windowed"),
    }


class TestExactSums:
    """Each number is rounded half-even to whole millionths, of the shortest decimal that reads back as the double."""

    @pytest.mark.parametrize(
        ("numbers", "total"),
        [
            ([0.1] * 10, 1_000_000),
            ([0.1, 0.2], 300_000),
            ([1e15, 0.000001, -1e15], 1),
            ([0.0000005, 0.0000005], 0),
            ([0.0000015], 2),
            ([0.0000025], 2),
            ([2.675], 2_675_000),
            ([1e300, -1e300, 3], 3_000_000),
            ([9_007_199_254_740_993], 9_007_199_254_740_992_000_000),
        ],
    )
    def test_a_sum(self, numbers: list[float], total: int) -> None:
        for within_ms in (None, 1_000):
            feature = make_feature(Total(A, "v", "numbers", within_ms), max_late_ms=0, caps=Caps())
            state = None
            for number in numbers:
                body = {"type": "track", "event": "A", "properties": {"v": number}}
                state = feature.update(state, Event("c", "A", "track", T0, T0, body), T0)
                state = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
            assert feature.aggregate(state, T0, "sum")[0] == total
