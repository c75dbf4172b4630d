"""Anomalies: the frozen trees say what River's say, shares come true, and the oddest are found."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import StateError
from rules.load import load_text
from rules.models.definition import Anomaly
from state.models.learners.anomaly import HEIGHT, TREES, WINDOW, AnomalyLearner
from state.models.packed import pack_floats, pack_wholes, unpack_floats, unpack_wholes
from state.models.quality.anomaly import AnomalyQuality
from state.models.sample import Sample
from state.models.scorers import make_scorer
from state.models.snapshot import MOST_BYTES, decode, encode
from state.models.trainer import Trainer
from state.models.trees import TreesScorer

if TYPE_CHECKING:
    from collections.abc import Sequence


def anomaly(features: int = 3, **options: Any) -> Anomaly:
    wanted = "\n".join(f"      f{number:03}: {{trait: t{number}}}" for number in range(features))
    lines = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in options.items())
    text = f"""
models:
  - key: odd
    kind: anomaly
    sample: {{every: 7d}}
    features:
{wanted}
{lines}
"""
    model = load_text(text).models[0]
    assert isinstance(model, Anomaly)
    return model


def sample(
    definition: Anomaly, number: int, x: Sequence[float], said: float | None = None, why: str = "timer"
) -> Sample:
    version = None if said is None else 1
    at = number * 1000
    return Sample(definition.key, definition.definition, f"u{number}", at, at, why, tuple(x), None, said, version)


def drawn(definition: Anomaly, count: int, seed: int = 1) -> list[Sample]:
    """Return samples of which the features go together, on scales of their own."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        common = rng.gauss(0, 1)
        x = [10.0**place * (common + rng.gauss(0, 1)) for place in range(len(definition.features))]
        made.append(sample(definition, number, x))
    return made


def learned(definition: Anomaly, samples: Sequence[Sample]) -> AnomalyLearner:
    learner = AnomalyLearner(definition)
    for one in samples:
        learner.learn(one)
    return learner


def scorer_of(learner: AnomalyLearner) -> TreesScorer:
    frozen = learner.scorer()
    assert frozen is not None
    return TreesScorer(1, json.loads(json.dumps(frozen)))


STRANGE = ((math.inf, 0.0, 0.0), (-math.inf, math.nan, 5.0), (math.nan,) * 3, (1e300, -1e300, 0.0), (0.0, 0.0, 0.0))


def test_the_frozen_trees_say_exactly_what_rivers_say() -> None:
    definition = anomaly()
    samples = drawn(definition, 1_300)
    learner = learned(definition, samples)
    scorer = scorer_of(learner)
    points = [one.x for one in samples] + [one.x for one in drawn(definition, 500, seed=2)] + list(STRANGE)
    assert [scorer.raw(x) for x in points] == [learner.raw(x) for x in points]
    assert len({scorer.raw(x) for x in points}) > 100


def test_rivers_trees_are_complete_and_of_public_parts() -> None:
    """What the scorer's level order stands on: after an upgrade of River this fails first."""
    definition = anomaly()
    learner = learned(definition, drawn(definition, 600))
    frozen = learner.scorer()
    assert frozen is not None
    assert len(frozen["trees"]) == TREES
    for tree in frozen["trees"]:
        features, masses = unpack_wholes(tree["features"]), unpack_wholes(tree["masses"])
        thresholds = unpack_floats(tree["thresholds"])
        assert len(features) == len(thresholds) == 2**HEIGHT - 1
        assert len(masses) == 2 ** (HEIGHT + 1) - 1
        assert masses[0] == WINDOW
        inner = range(2**HEIGHT - 1)
        assert all(masses[node] == masses[2 * node + 1] + masses[2 * node + 2] for node in inner)
        assert set(features) <= {0, 1, 2}
        assert all(-8 < threshold < 8 for threshold in thresholds)
        assert max(map(abs, thresholds)) > 2


def test_a_score_is_the_share_of_recent_raw_scores_below() -> None:
    definition = anomaly()
    scorer = scorer_of(learned(definition, drawn(definition, 1_000)))
    frozen = learned(definition, drawn(definition, 1_000)).scorer()
    assert frozen is not None
    recent = unpack_floats(frozen["recent"])
    assert recent == sorted(recent)
    assert len(recent) == 1_000 - WINDOW
    for one in drawn(definition, 50, seed=3):
        mine = scorer.raw(one.x)
        below = sum(1 for raw in recent if raw < mine)
        assert scorer.score(one.x, 0.5) == round(below / len(recent), 6)


def test_only_the_last_five_thousand_raw_scores_count() -> None:
    definition = anomaly(1)
    learner = learned(definition, drawn(definition, 5_400))
    frozen = learner.scorer()
    assert frozen is not None
    assert len(unpack_floats(frozen["recent"])) == 5_000


def test_planted_outliers_are_found() -> None:
    definition = anomaly()
    rng = random.Random(5)
    samples = drawn(definition, 4_000, seed=4)
    odd = {number for number in range(4_000) if rng.random() < 0.01}
    scorer: TreesScorer | None = None
    learner = AnomalyLearner(definition)
    said: list[tuple[float, bool]] = []
    for number, one in enumerate(samples):
        x = (
            tuple(rng.choice((-1, 1)) * rng.uniform(5, 9) * 10.0**place for place in range(3))
            if number in odd
            else one.x
        )
        if number % 250 == 0 and learner.scorer() is not None:
            scorer = scorer_of(learner)
        if scorer is not None:
            said.append((scorer.score(x, None), number in odd))
        learner.learn(sample(definition, number, x))
    odder = [score for score, planted in said if planted]
    usual = [score for score, planted in said if not planted]
    wins = sum((a > b) + (a == b) / 2 for a in odder for b in usual)
    assert wins / len(odder) / len(usual) > 0.95


def test_scoring_changes_nothing() -> None:
    definition = anomaly()
    learner = learned(definition, drawn(definition, 700))
    scorer, before = scorer_of(learner), learner.scorer()
    points = [one.x for one in drawn(definition, 100, seed=7)]
    once = [scorer.score(x, None) for x in points]
    for x in points:
        learner.raw(x)
    assert [scorer.score(x, None) for x in points] == once
    assert learner.scorer() == before


@pytest.mark.parametrize(("warm_up", "samples"), [(1, 350), (500, 500), (700, 700)])
def test_before_the_warm_up_is_over_there_is_no_scorer(warm_up: int, samples: int) -> None:
    definition = anomaly(warm_up=warm_up)
    made = drawn(definition, samples)
    learner = learned(definition, made[:-1])
    assert learner.scorer() is None
    learner.learn(made[-1])
    assert learner.scorer() is not None


def test_it_learns_again_from_the_samples_to_the_same_model() -> None:
    definition = anomaly()
    samples = drawn(definition, 900)
    trainer = Trainer(definition)
    for number, one in enumerate(samples):
        trainer.learn(one, source=(0, number, 0), offset=number)
    snapshot = decode(encode(trainer.snapshot(1)))
    assert snapshot.learner["state"] is None
    again = Trainer.restore(definition, snapshot)
    assert again.next_offset == 0
    for number, one in enumerate(samples):
        again.learn(one, source=(0, number, 0), offset=number)
    assert not again.due
    newer = again.snapshot(2)
    assert newer.version == 2
    assert (newer.scorer, newer.samples) == (snapshot.scorer, snapshot.samples)


def test_a_snapshot_of_the_most_features_is_small_enough() -> None:
    definition = anomaly(200)
    trainer = Trainer(definition)
    rng = random.Random(1)
    for number in range(5_300):
        scored = sample(
            definition, number, [rng.random() for _ in range(200)], rng.random(), ("event", "timer")[number % 2]
        )
        trainer.learn(scored, source=(0, number, 0), offset=number)
    record = encode(trainer.snapshot(1))
    assert len(record) < MOST_BYTES / 2
    assert make_scorer(definition, decode(record)) is not None


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 1e300, 7.0])
def test_what_is_no_number_or_never_varies_is_said_and_spoils_nothing(bad: float) -> None:
    definition = anomaly()
    learner = learned(
        definition, [sample(definition, n, (*one.x[:2], bad)) for n, one in enumerate(drawn(definition, 600))]
    )
    text = json.dumps(learner.scorer())
    assert "NaN" not in text
    assert "Infinity" not in text
    said = "was the same in all" if bad == 7 else "infinite or no number in 600 samples"
    assert any(problem.startswith("feature f002") and said in problem for problem in learner.problems())
    score = scorer_of(learner).score((bad, 0.0, 0.0), None)
    assert 0 <= score <= 1


def test_ten_times_the_same_customer_goes_on() -> None:
    definition = anomaly()
    same = [sample(definition, 1, (1.0, 2.0, 3.0)) for _ in range(800)]
    scorer = scorer_of(learned(definition, same))
    assert scorer.score((1.0, 2.0, 3.0), None) == 0
    assert scorer.score((9.0, 9.0, 9.0), None) == 0  # nothing ever varied: nothing is known of what is odd


def test_quality_says_how_true_the_shares_come() -> None:
    definition = anomaly()
    even, high = AnomalyQuality(), AnomalyQuality()
    for number in range(1_000):
        even.add(sample(definition, number, (0.0,) * 3, number / 1_000, "event"))
        high.add(sample(definition, number, (0.0,) * 3, 0.5 + number / 2_000))
    high.add(sample(definition, 1, (0.0,) * 3))
    for side in ("recent", "all"):
        assert even.metrics()["event"][side] == {"samples": 1_000, "over_90": 0.1, "over_99": 0.01, "uneven": 0.0}
        assert high.metrics()["timer"][side]["over_90"] == pytest.approx(0.2)
        assert high.metrics()["timer"][side]["uneven"] == pytest.approx(0.5)
        assert even.metrics()["timer"][side]["over_90"] is None
    assert (even.metrics()["unscored"], high.metrics()["unscored"]) == (0, 1)
    again = AnomalyQuality()
    again.restore(json.loads(json.dumps(high.state())))
    assert again.metrics() == high.metrics()
    assert again.state() == high.state()


def test_packed_numbers_come_back_as_they_were() -> None:
    floats = [0.1, -1e300, 5e-324, 0.0, math.inf]
    assert unpack_floats(pack_floats(floats)) == floats
    assert unpack_wholes(pack_wholes([0, 1, 2**32 - 1])) == [0, 1, 2**32 - 1]
    assert unpack_floats(pack_floats([])) == []


@pytest.mark.parametrize("text", ["?", "AAA", "AAAA"])
def test_a_damaged_text_is_an_error_with_its_remedy(text: str) -> None:
    with pytest.raises(StateError, match="let the model learn anew"):
        unpack_floats(text)
