"""Drift: what changed is found, what did not is not, and only a rise of the loss counts."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from rules.load import load_text
from state.models.drift import Drift, DriftEvent, Watch, means_apart
from state.models.learners import make_learner
from state.models.linear import sigmoid
from state.models.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.models.definition import AnyModel

STEADY = 6_000


def model(kind: str) -> AnyModel:
    target = {"event": "Order", "within": "90d"} | ({"of": "total"} if kind == "value" else {})
    raw = {"key": "m", "kind": kind, "target": target, "sample": {"every": "28d"}, "features": {"f": {"trait": "f"}}}
    return load_text(json.dumps({"models": [raw]})).models[0]


def propensities(seed: int, count: int, *, truth: float = 2.0, shift: float = 0.0) -> Iterable[tuple[float, float]]:
    """Yield (label, score) of a model that says sigmoid(2 z - 0.5), the truth being sigmoid(truth z - 0.5 + shift)."""
    rng = random.Random(seed)
    for _ in range(count):
        z = rng.gauss(0, 1)
        yield float(rng.random() < sigmoid(truth * z - 0.5 + shift)), round(sigmoid(2 * z - 0.5), 6)


def amounts(seed: int, count: int, *, factor: float = 1.0) -> Iterable[tuple[float, float]]:
    """Yield (label, score), money with many zeros and a long tail."""
    rng = random.Random(seed)
    for _ in range(count):
        mean = rng.lognormvariate(4, 0.8)
        yield factor * rng.choice([0.0, 2 * mean * rng.lognormvariate(-0.32, 0.8)]), mean


def found(kind: str, *parts: Iterable[tuple[float, float]]) -> list[DriftEvent]:
    definition = model(kind)
    drift, learner = Drift(definition), make_learner(definition)
    pairs = [pair for part in parts for pair in part]
    return [
        event
        for number, (y, score) in enumerate(pairs, 1)
        for event in drift.update(
            Sample("m", definition.definition, "c", 0, number, "timer", (0.0,), y, score), learner, number
        )
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("truth", [0.0, -2.0], ids=["lost", "reversed"])
def test_a_lost_or_reversed_signal_is_found_in_the_loss_within_300_samples(seed: int, truth: float) -> None:
    events = found("propensity", propensities(seed, STEADY), propensities(seed, 300, truth=truth))
    assert all(event.samples > STEADY for event in events)
    loss = next(event for event in events if event.detector == "loss")
    assert loss.before < 0.6 < loss.after
    assert loss.at == loss.samples


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shift", [1.5, -1.5])
def test_a_base_rate_that_moves_is_found_in_label_minus_score(seed: int, shift: float) -> None:
    events = found("propensity", propensities(seed, STEADY), propensities(seed, 2_000, shift=shift))
    assert all(event.samples > STEADY for event in events)
    moved = next(event for event in events if event.detector == "label - score")
    assert (moved.after - moved.before) * shift > 0


@pytest.mark.parametrize("seed", range(3))
def test_what_stays_gives_no_alarm(seed: int) -> None:
    assert found("propensity", propensities(seed, 20_000)) == []
    assert found("value", amounts(seed, 20_000)) == []


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_amounts_that_change_are_found(factor: float) -> None:
    events = found("value", amounts(1, STEADY), amounts(2, 2_000, factor=factor))
    assert events
    assert all(event.samples > STEADY for event in events)
    moved = next(event for event in events if event.detector == "label - score")
    assert (moved.after > moved.before) is (factor > 1)


def test_a_loss_that_falls_is_no_drift() -> None:
    falling = found("propensity", propensities(1, STEADY, truth=0.0), propensities(1, STEADY))
    assert [event.detector for event in falling if event.detector == "loss"] == []
    assert [event for event in falling if event.samples > STEADY and event.detector == "loss"] == []


def test_only_a_rise_counts_where_only_a_rise_counts() -> None:
    steps = {"rise": [0.1] * 500 + [0.9] * 500, "fall": [0.9] * 500 + [0.1] * 500}
    for only_rise in (True, False):
        for name, numbers in steps.items():
            watch = Watch("w", only_rise=only_rise)
            seen = [number for number in numbers if watch.update(number, 1.0) is not None]
            assert bool(seen) is (name == "rise" or not only_rise), (name, only_rise)


def test_the_means_are_those_before_and_after_the_change() -> None:
    before, after = means_apart(np.array([1.0] * 900 + [3.0] * 40))
    assert (before, after) == (1.0, 3.0)


def test_samples_without_a_score_or_a_label_are_passed_over() -> None:
    definition = model("propensity")
    drift, learner = Drift(definition), make_learner(definition)
    for y, score in ((1.0, None), (None, 0.5), (float("nan"), 0.5)):
        one = Sample("m", definition.definition, "c", 0, 0, "timer", (0.0,), y, score)
        assert list(drift.update(one, learner, 1)) == []
    assert drift.state() == Drift(definition).state()


@pytest.mark.parametrize("kind", ["propensity", "value"])
def test_restored_detectors_notice_what_uninterrupted_ones_notice(kind: str) -> None:
    if kind == "propensity":
        pairs = [*propensities(1, 3_000), *propensities(2, 600, truth=-2.0)]
    else:
        pairs = [*amounts(1, 3_000), *amounts(2, 600, factor=3.0)]
    definition = model(kind)
    learner = make_learner(definition)
    whole, resumed = Drift(definition), Drift(definition)
    noticed: list[Any] = [[], []]
    for number, (y, score) in enumerate(pairs):
        one = Sample("m", definition.definition, "c", 0, number, "timer", (0.0,), y, score)
        noticed[0] += whole.update(one, learner, number)
        if number >= 2_000:
            noticed[1] += resumed.update(one, learner, number)
        if number == 1_999:
            resumed.restore(msgspec.json.decode(msgspec.json.encode(whole.state())))
    assert noticed[0]
    assert noticed[1] == noticed[0]
    assert resumed.metrics() == whole.metrics()
