"""Propensity and value learners: restored is uninterrupted, scorers say what learners say, nothing gives NaN."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rules.load import load_text
from state.models.learners import make_learner
from state.models.linear import Linear, log_loss, not_negative, sigmoid
from state.models.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import AnyModel
    from state.models.learners.base import Learner

KINDS = ("propensity", "value")
LINKS = {"propensity": sigmoid, "value": not_negative}
FEATURES = 4


def model(kind: str, **options: Any) -> AnyModel:
    target = {"event": "Order", "within": "90d"} | ({"of": "total"} if kind == "value" else {})
    features = {f"f{number}": {"trait": f"t{number}"} for number in range(FEATURES)}
    raw = {"key": "m", "kind": kind, "target": target, "sample": {"every": "28d"}, "features": features, **options}
    return load_text(json.dumps({"models": [raw]})).models[0]


def drawn(kind: str, count: int, seed: int = 1) -> Iterator[Sample]:
    """Yield samples whose first feature raises the label and whose second lowers it."""
    rng = random.Random(seed)
    for number in range(count):
        x = tuple(rng.gauss(5, 3) for _ in range(FEATURES))
        odds = (x[0] - x[1]) / 3
        y = float(rng.random() < sigmoid(odds)) if kind == "propensity" else max(0.0, 40 + 10 * odds + rng.gauss(0, 20))
        yield sample(x, y, number)


def sample(x: Sequence[float], y: float | None, number: int = 0) -> Sample:
    return Sample("m", "d", f"customer {number}", number, number, "timer", tuple(x), y)


def learned(kind: str, samples: Iterator[Sample] | Sequence[Sample], **options: Any) -> Learner:
    learner = make_learner(model(kind, **options))
    for one in samples:
        learner.learn(one)
    return learner


def through_json(state: dict[str, Any] | None) -> dict[str, Any]:
    restored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(state))
    return restored


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [0, 1, 2, 499, 1_000])
def test_restored_learning_is_uninterrupted_learning_exactly(kind: str, after: int) -> None:
    whole = make_learner(model(kind))
    samples = list(drawn(kind, 1_500))
    for one in samples[:after]:
        whole.learn(one)
    resumed = make_learner(model(kind))
    resumed.restore(through_json(whole.state()))
    for one in samples[after:]:
        whole.learn(one)
        resumed.learn(one)
    assert resumed.state() == whole.state()
    assert resumed.scorer() == whole.scorer()


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_stays_as_it_was_while_learning_goes_on(kind: str) -> None:
    learner = learned(kind, drawn(kind, 100))
    state = learner.state()
    before = msgspec.json.encode(state)
    for one in drawn(kind, 100, seed=2):
        learner.learn(one)
    assert msgspec.json.encode(state) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_scorer_says_what_its_learner_says(kind: str) -> None:
    learner: Any = learned(kind, drawn(kind, 800))
    scorer = Linear(1, through_json(learner.scorer()), LINKS[kind])
    odd = [(math.inf, 5, 5, 5), (-math.inf, 5, 5, 5), (math.nan, 5, 5, 5), (1e300, -1e300, 0, 0)]
    for x in [one.x for one in drawn(kind, 200, seed=3)] + odd:
        assert scorer.exact(x) == pytest.approx(learner.predict(x), abs=1e-9)
        assert scorer.score(x, None) == round(scorer.exact(x), 6)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_scorer_before_the_warm_up_s_last_label(kind: str) -> None:
    learner = make_learner(model(kind, warm_up=30))
    for number, one in enumerate(drawn(kind, 30)):
        assert learner.scorer() is None, number
        learner.learn(one)
    assert learner.scorer() is not None


@pytest.mark.parametrize("kind", KINDS)
def test_what_raises_the_label_gets_a_positive_weight(kind: str) -> None:
    frozen = learned(kind, drawn(kind, 3_000)).scorer() or {}
    first, second, *rest = frozen["weights"]
    assert first > 0 > second
    assert max(map(abs, rest)) < 0.3 * min(first, -second)


def spoiled(kind: str) -> dict[str, list[Sample]]:
    """Return streams as no model should get them."""
    usual = list(drawn(kind, 600))
    return {
        "a constant feature": [sample((1.5, *one.x[1:]), one.y) for one in usual],
        "infinite features": [
            sample((math.inf if number % 7 == 0 else one.x[0], *one.x[1:]), one.y) for number, one in enumerate(usual)
        ],
        "missing features": [
            sample((*one.x[:3], math.nan if number % 3 else one.x[3]), one.y) for number, one in enumerate(usual)
        ],
        "only infinite": [sample((math.inf, -math.inf, math.nan, 1e308), one.y) for one in usual],
        "one class": [sample(one.x, 0.0) for one in usual],
        "labels that are none": [sample(one.x, (math.nan, math.inf, None)[i % 3]) for i, one in enumerate(usual)],
        "the same customer": [usual[0]] * 10,
    }


PROBLEMS = {
    "a constant feature": "feature f0 was the same",
    "infinite features": "feature f0 was infinite or no number in 86 samples",
    "missing features": "feature f3 was infinite or no number in 400 samples",
    "only infinite": "feature f3 was infinite",
    "one class": "every one of 600 labels is 0",
    "labels that are none": "600 samples have a label",
    "the same customer": "was the same in all of 10 samples",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", PROBLEMS)
def test_a_spoiled_stream_goes_on_says_what_is_wrong_and_gives_no_nan(kind: str, stream: str) -> None:
    learner: Any = learned(kind, spoiled(kind)[stream], warm_up=5)
    assert any(PROBLEMS[stream] in problem for problem in learner.problems()), list(learner.problems())
    frozen = learner.scorer()
    if stream != "labels that are none":
        scorer = Linear(1, frozen, LINKS[kind])
        for x in ((1.0, 2.0, 3.0, 4.0), (math.inf, math.nan, -math.inf, 0.0)):
            assert math.isfinite(scorer.score(x, None))
            assert math.isfinite(learner.predict(x))
    # msgspec writes NaN and infinities as null
    assert b"null" not in msgspec.json.encode([frozen or {}, learner.state()])


@pytest.mark.parametrize("kind", KINDS)
def test_a_usual_stream_has_no_problem(kind: str) -> None:
    assert list(learned(kind, drawn(kind, 200)).problems()) == []


def test_a_rare_event_s_base_rate_is_met_when_the_warm_up_ends() -> None:
    rng = random.Random(4)
    rows = [([rng.gauss(0, 1) for _ in range(FEATURES)], float(rng.random() < 0.01)) for _ in range(500)]
    learner: Any = learned("propensity", [sample(x, y) for x, y in rows])
    said = sum(learner.predict(x) for x, _ in rows) / len(rows)
    assert said < 0.03  # with River's constant rate of the intercept it is 0.15


def test_cents_and_dollars_are_learned_alike() -> None:
    dollars: Any = learned("value", drawn("value", 500))
    cents: Any = learned("value", [sample(one.x, 100 * (one.y or 0)) for one in drawn("value", 500)])
    for one in drawn("value", 50, seed=5):
        assert cents.predict(one.x) == pytest.approx(100 * dollars.predict(one.x), rel=1e-9)


def test_an_amount_is_a_mean_and_never_below_0() -> None:
    rng = random.Random(6)
    # half of all bring nothing, some bring very much: the median is 0, the mean is not
    amounts = [rng.choice([0.0, rng.lognormvariate(3, 1.5)]) for _ in range(3_000)]
    rows = [sample([rng.gauss(0, 1) for _ in range(FEATURES)], amount) for amount in amounts]
    learner: Any = learned("value", rows)
    said = [learner.predict(one.x) for one in rows]
    assert min(said) >= 0
    assert sum(said) / sum(amounts) == pytest.approx(1, abs=0.15)


def test_losses_are_those_of_the_label() -> None:
    first = next(drawn("propensity", 1))
    for kind in KINDS:
        assert make_learner(model(kind)).loss(first) is None
        learner: Any = learned(kind, drawn(kind, 600))
        said = learner.predict(first.x)
        wanted = log_loss(1.0, said) if kind == "propensity" else (1.0 - said) ** 2
        assert learner.loss(sample(first.x, 1.0)) == pytest.approx(wanted)
        assert learner.loss(sample(first.x, None)) is None


def test_scoring_needs_no_river() -> None:
    code = "import sys, state.models.scorers, state.models.snapshot; print('river' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
