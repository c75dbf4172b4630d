"""The documented bounds ("How exact"), each with its own law, and counted when it is reached."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import DefinitionError, EventRejected
from rules.features import Selector, Total
from rules.load import load_text
from state.cost import feature_bytes, full_bytes, new_bytes
from state.engine import Engine
from state.event import Event
from state.features import make_feature
from state.features.base import Caps

if TYPE_CHECKING:
    from collections.abc import Callable

    from state.profile import Profile

T0 = 1_767_225_600_000


def engine_of(condition: dict[str, Any], *, max_late_ms: int = 86_400_000) -> Engine:
    return Engine(
        load_text(json.dumps({"segments": [{"key": "a", "when": condition}]}), json=True), max_late_ms=max_late_ms
    )


def event(ts: int, name: str = "X", **properties: Any) -> Event:
    body = {"type": "track", "event": name, "userId": "c", "properties": properties}
    return Event("c", name, "track", T0 + ts, T0 + ts, body)


def identify(ts: int, traits: dict[str, Any]) -> Event:
    return Event("c", "identify", "identify", T0 + ts, T0 + ts, {"type": "identify", "userId": "c", "traits": traits})


class TestDid:
    def test_a_thousand_is_exact(self) -> None:
        engine = engine_of({"did": {"event": "X", "times": {"gte": 1000}, "within": "1h"}})
        profile = engine.new("c")
        said = [change for ts in range(1000) for change in engine.apply(profile, event(ts)).changes]
        assert [(change.change, change.at - T0) for change in said] == [("entered", 999)]
        assert [(change.change, change.at - T0) for change in engine.advance(profile, T0 + 10**9)] == [
            ("exited", 3_600_000)
        ]

    @pytest.mark.parametrize("times", ["1001", "{gte: 1001}", "{between: [1, 1001]}", "{in: [1, 1001]}"])
    def test_a_thousand_and_one_is_refused(self, times: str) -> None:
        with pytest.raises(DefinitionError, match=r"1001 is above 1,000; lower it"):
            load_text(f"segments: [{{key: a, when: {{did: {{event: X, times: {times}}}}}}}]")

    @pytest.mark.parametrize(
        ("times", "kept"),
        [
            ("{gte: 5}", 5),
            ("{lt: 5}", 6),
            ("{lte: 5}", 6),
            ("{gt: 5}", 6),
            ("5", 6),
            ("{ne: 5}", 6),
            ("{between: [2, 5]}", 6),
        ],
    )
    def test_what_is_kept_is_what_the_bound_needs(self, times: str, kept: int) -> None:
        engine = Engine(load_text(f"segments: [{{key: a, when: {{did: {{event: X, times: {times}, within: 1h}}}}}}]"))
        profile = engine.new("c")
        for ts in range(50):
            engine.apply(profile, event(ts))
        assert len(profile.slots[0]) == kept


class PanesModel:
    """A total's window as the documentation has it, all values kept, nothing clever."""

    def __init__(self, within_ms: int) -> None:
        self.within_ms = within_ms
        self.pane_ms = -(-within_ms // 64)
        self.values: list[tuple[int, int, float]] = []
        self.panes = False

    def leaves(self, ts: int) -> int:
        return (ts // self.pane_ms + 1) * self.pane_ms + self.within_ms if self.panes else ts + self.within_ms

    def add(self, ts: int, now: int, value: float) -> None:
        if not self.inside(now):
            self.panes = False
        if ts > now - self.within_ms:
            self.values.append((ts, len(self.values), value))
        if len([one for one in self.values if one[0] > now - self.within_ms]) > 256:
            if not self.panes:  # what has left the exact window does not come back with its pane
                self.values = [one for one in self.values if one[0] > now - self.within_ms]
            self.panes = True

    def inside(self, t: int) -> list[float]:
        return [value for ts, _, value in sorted(self.values) if self.leaves(ts) > t]


AGGREGATES: dict[str, Callable[[list[float]], float]] = {
    "sum": lambda values: round(sum(values) * 1_000_000),
    "min": min,
    "max": max,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "avg": lambda values: round(sum(values) * 1_000_000 / len(values)),
}
KEPT = {"sum": "numbers", "avg": "numbers", "min": "numbers", "max": "numbers", "first": "scalars", "last": "scalars"}


@pytest.mark.parametrize("agg", AGGREGATES)
def test_beyond_256_values_a_window_is_panes_until_it_is_empty(agg: str) -> None:
    """A burst, a pause in which it drains, and a second life as an exact window."""
    within_ms, caps, model = 6_400, Caps(), PanesModel(6_400)
    feature = make_feature(Total(Selector(("X",)), "v", KEPT[agg], within_ms), max_late_ms=0, caps=caps)
    state, switched = None, False
    times = [T0 + 20 * n for n in range(400)] + [T0 + 8_000 + 6_600 + 90 * n for n in range(30)]
    for number, now in enumerate(times):
        ts = now - (0, 0, 3_000, 150)[number % 4]  # some are late
        value = (number * 37) % 101
        model.add(ts, now, value)
        state = feature.update(state, event(ts - T0, v=value), now)
        switched = switched or model.panes
        for t in (now, now + 99, now + 3_000, now + 6_399):
            inside = model.inside(t)
            wanted = AGGREGATES[agg](inside) if inside else None
            found, until = feature.aggregate(state, t, agg)
            assert found == wanted, (number, t - now)
            assert until > t
    assert switched
    assert not model.panes
    assert caps == {"total_panes": 1}


def test_a_pane_leaves_whole_at_its_end_and_the_window() -> None:
    feature = make_feature(Total(Selector(("X",)), "v", "numbers", 6_400), max_late_ms=0, caps=Caps())
    state = None
    for number in range(257):
        state = feature.update(state, event(0 if number else 99, v=1), T0 + 99)
    #   T0 is a multiple of the pane, 100 ms: all lie in [T0, T0 + 100)
    assert T0 % 100 == 0
    assert feature.aggregate(state, T0 + 6_499, "sum") == (257_000_000, T0 + 6_500)
    assert feature.aggregate(state, T0 + 6_500, "sum")[0] is None


@pytest.mark.parametrize("within_ms", [None, 3_600_000])
@pytest.mark.parametrize("distinct", [255, 256, 257, 1_000, 20_000])
def test_distinct_is_exact_up_to_256_and_near_beyond(distinct: int, within_ms: int | None) -> None:
    caps = Caps()
    feature = make_feature(Total(Selector(("X",)), "v", "distinct", within_ms), max_late_ms=0, caps=caps)
    state = None
    for number in range(distinct):
        for _ in range(2 if distinct <= 1_000 else 1):
            state = feature.update(state, event(number // 20, v=f"sku-{number}"), T0 + number // 20)
    found = feature.aggregate(state, T0 + distinct // 20, "distinct")[0]
    if distinct <= 256:
        assert found == distinct
        assert caps["distinct_estimated"] == 0
    else:
        assert abs(found - distinct) / distinct < 0.25  # four standard errors
        assert caps["distinct_estimated"] == 1


class TestSequence:
    """A opens, B may follow within an hour, but not before 1 s: only what is kept of A can be followed."""

    def test_a_step_keeps_the_newest_256(self) -> None:
        for opened, entered in ((256, True), (257, False)):
            engine = engine_of({"sequence": {"steps": [{"event": "A"}, {"event": "B", "after": "1s", "within": "1h"}]}})
            profile = engine.new("c")
            for ts in range(opened):
                engine.apply(profile, event(ts, "A"))
            changes = engine.apply(profile, event(1_000, "B")).changes  # only the A at 0 is a second old
            assert bool(changes) is entered
            assert engine.caps["sequence_candidates"] == (0 if entered else 1)

    def test_without_within_the_earliest_is_enough_and_nothing_is_capped(self) -> None:
        engine = engine_of({"sequence": {"steps": [{"event": "A"}, {"event": "B", "after": "1s"}]}})
        profile = engine.new("c")
        for ts in range(1000):
            engine.apply(profile, event(ts, "A"))
        assert engine.apply(profile, event(1_000, "B")).changes
        assert engine.caps == {}

    def test_a_candidate_is_open_up_to_within_and_max_late_and_then_forgotten(self) -> None:
        engine = engine_of(
            {"sequence": {"steps": [{"event": "A"}, {"event": "B", "within": "10s"}]}}, max_late_ms=5_000
        )
        for clock, kept in ((15_000, 2), (15_001, 1)):
            profile = engine.new("c")
            engine.apply(profile, event(0, "A"))
            engine.apply(profile, event(clock, "A"))
            assert len(profile.slots[0][1]) == kept


class TestTraits:
    def test_256_are_kept_and_an_event_that_would_pass_that_is_rejected_whole(self) -> None:
        engine = engine_of({"did": {"event": "X", "within": "1s"}})
        profile = engine.new("c")
        engine.apply(profile, event(0))
        engine.apply(profile, identify(1, {f"t{number}": number for number in range(255)} | {"gone": 1}))
        engine.apply(profile, identify(2, {"gone": None}))  # removed ones count
        before = engine.encode(profile)
        with pytest.raises(EventRejected, match=r"at most 256 are kept"):
            engine.apply(profile, identify(5_000, {"t0": "changed", "one more": 1}))
        assert engine.encode(profile) == before, "not even the timer at 1s may have fired"
        assert engine.apply(profile, identify(5_000, {"t0": "changed", "gone": 2})).changes
        assert (profile.traits["t0"], profile.traits["gone"], len(profile.traits)) == ("changed", 2, 256)

    def test_32_kib_are_kept(self) -> None:
        engine = engine_of({"did": {"event": "X"}})
        room = 32 * 1024 - len('{"a":""}')
        for length, fits in ((room, True), (room + 1, False)):
            profile = engine.new("c")
            if fits:
                engine.apply(profile, identify(0, {"a": "x" * length}))
                assert len(profile.traits["a"]) == length
            else:
                with pytest.raises(EventRejected, match=r"at most 32768 are kept"):
                    engine.apply(profile, identify(0, {"a": "x" * length}))
                assert profile.traits == {}


def test_the_last_256_messages_are_remembered_in_their_order() -> None:
    engine = engine_of({"did": {"event": "X"}})
    profile = engine.new("c")

    def send(number: int) -> bool:
        one = event(0)
        one.message_id = f"m{number}"
        return engine.apply(profile, one).duplicate

    assert not any(send(number) for number in range(256))
    assert send(0)  # the oldest of the 256, and seeing it again does not renew its place
    assert not send(256)
    assert not send(0)  # forgotten for 256
    assert send(2)


class TestUnusedFeatures:
    """A feature that the definitions no longer use is kept 7 days, so that going back costs nothing."""

    @pytest.mark.parametrize(("days", "kept"), [(7, True), (8, False)])
    def test_back_after_days(self, days: int, kept: bool) -> None:
        one, other = (engine_of({"did": {"event": name, "times": {"gte": 2}, "within": "30d"}}) for name in ("X", "Y"))
        one.learn_forms(other.form)
        other.learn_forms(one.form)
        profile = one.new("c")
        one.apply(profile, event(0))
        profile = other.decode("c", one.encode(profile))
        other.apply(profile, event(0, "Z"))  # from here on it is unused
        other.apply(profile, event(days * 86_400_000, "Z"))
        profile = one.decode("c", other.encode(profile))
        changes = one.apply(profile, event(days * 86_400_000)).changes
        assert bool(changes) is kept


class TestCost:
    """What `segue check` says a customer costs is what one does cost who has filled everything."""

    def busy(self, engine: Engine, events: int = 3_000) -> Profile:
        profile = engine.new("c")
        for number in range(events):
            one = event(number * 40, "AB"[number % 2], v=number + 0.5, tag=f"{number:024}")
            one.message_id = f"m{number}"
            engine.apply(profile, one)
        return profile

    @pytest.mark.parametrize(
        "condition",
        [
            {"did": {"event": "A", "times": {"gte": 40}, "within": "1h"}},
            {"total": {"event": "A", "of": "v", "agg": "sum", "within": "12800ms", "gt": 0}},
            {"total": {"event": "A", "of": "tag", "agg": "first", "within": "1m", "ne": "x"}},
            {"total": {"event": "A", "of": "tag", "agg": "distinct", "within": "1m", "gt": 0}},
            {"total": {"event": "A", "of": "tag", "agg": "distinct", "gt": 0}},
            {"total": {"event": "A", "of": "tag", "agg": "last", "ne": "x"}},
            {"total": {"event": "A", "of": "v", "agg": "max", "ne": 0}},
            {"sequence": {"steps": [{"event": "A"}, {"event": "B", "within": "1d"}, {"event": "A", "within": "1d"}]}},
        ],
        ids=str,
    )
    def test_it_is_reached_and_not_passed(self, condition: dict[str, Any]) -> None:
        engine = engine_of(condition)
        (spec,) = engine.compiled.specs
        profile = self.busy(engine)
        taken, most = len(engine.encode(profile)), full_bytes(engine)
        assert taken <= most
        assert taken > most * 0.6, (taken, most, feature_bytes(spec))

    def test_a_new_customer_costs_what_is_said(self) -> None:
        engine = engine_of({"did": {"event": "A"}})
        profile = engine.new("c")
        one = event(0, "Z")
        one.message_id = "m"
        engine.apply(profile, one)
        assert 0 <= new_bytes(engine) - len(engine.encode(profile)) <= 40  # times and numbers are small here
