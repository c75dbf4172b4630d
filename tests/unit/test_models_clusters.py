"""Clusters: their laws (restored is uninterrupted, ids for life, nobody moves for a trifle), and what may go wrong."""

from __future__ import annotations

import copy
import json
import math
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from rules.load import load_text
from rules.models.definition import Clusters
from state.models.centres import ClusterScorer
from state.models.learners.clusters import ClustersLearner
from state.models.learners.kmeans import choose, fit, simplified_silhouette
from state.models.learners.matching import match
from state.models.learners.typical import Typical
from state.models.learners.warming import Warming
from state.models.quality.clusters import ClustersQuality
from state.models.quality.moves import MOST, WEEK_MS, Moves
from state.models.sample import Sample
from state.models.scale import Scale
from state.models.scorers import make_scorer
from state.models.snapshot import MOST_BYTES, decode, encode
from state.models.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from state.models.scorer import Said, Scorer

DAY_MS = 86_400_000
GROUPS = ((0.0, 0.0, 0.0), (10.0, 0.0, 5.0), (0.0, 12.0, -5.0), (14.0, 14.0, 0.0))


def clusters(k: str = "4", **options: Any) -> Clusters:
    lines = "\n".join(f"    {key}: {json.dumps(value)}" for key, value in {"warm_up": 200, **options}.items())
    text = f"""
models:
  - key: personas
    kind: clusters
    k: {k}
    sample: {{every: 7d}}
    features:
      a: {{did: {{event: Order Completed, within: 7d}}}}
      b: {{total: {{event: Order Completed, of: total, agg: sum, within: 7d}}}}
      c: {{trait: age}}
{lines}
"""
    model = load_text(text).models[0]
    assert isinstance(model, Clusters)
    return model


def sample(
    definition: Clusters, number: int, x: Sequence[float], said: str | None = None, *, at: int | None = None
) -> Sample:
    at = number * DAY_MS // 10 if at is None else at
    key, version = definition.key, None if said is None else 1
    return Sample(key, definition.definition, f"u{number % 300}", at, at, "timer", tuple(x), None, said, version)


def drawn(
    definition: Clusters, count: int, *, seed: int = 1, groups: Sequence[Sequence[float]] = GROUPS, begin: int = 0
) -> list[Sample]:
    """Return samples around the groups in turn."""
    rng = random.Random(seed)
    points = [[rng.gauss(at, 0.8) for at in groups[number % len(groups)]] for number in range(count)]
    return [sample(definition, begin + number, point) for number, point in enumerate(points)]


def learned(definition: Clusters, samples: Iterable[Sample]) -> ClustersLearner:
    learner = ClustersLearner(definition)
    for one in samples:
        learner.learn(one)
    return learner


def scorer_of(definition: Clusters, learner: ClustersLearner) -> ClusterScorer:
    frozen = learner.scorer()
    assert frozen is not None
    return ClusterScorer(definition, 1, json.loads(json.dumps(frozen)))


def state_of(learner: ClustersLearner) -> dict[str, Any]:
    state = learner.state()
    assert state is not None
    loaded: dict[str, Any] = json.loads(json.dumps(state))
    return loaded


def by_hand(*centres: tuple[str, Sequence[float]], width: int = 2) -> dict[str, Any]:
    made = [{"id": key, "centre": list(at), "share": 0.5, "description": f"like {key}"} for key, at in centres]
    return {"scale": {"mean": [0.0] * width, "sd": [1.0] * width}, "clusters": made}


# Scoring


@pytest.mark.parametrize(
    ("x", "before", "margin", "said"),
    [
        ((1.0, 0.0), None, 0.1, "c1"),
        ((9.0, 0.0), None, 0.1, "c2"),
        ((5.1, 0.0), None, 0.1, "c2"),
        ((5.1, 0.0), "c1", 0.1, "c1"),  # 4.9 against 5.1: nearer by 4 %
        ((5.3, 0.0), "c1", 0.1, "c2"),  # 4.7 against 5.3: nearer by 11 %
        ((5.1, 0.0), "c1", 0.0, "c2"),
        ((5.0, 0.0), "c2", 0.0, "c2"),  # as near as the other, which is the first: no reason to go
        ((5.0, 0.0), "c1", 0.0, "c1"),
        ((5.1, 0.0), "c7", 0.1, "c2"),  # retired, or never heard of
        ((5.1, 0.0), 0.25, 0.1, "c2"),
        ((10.0, 0.0), "c1", 0.9, "c2"),  # on the other centre
    ],
)
def test_a_customer_moves_only_to_a_centre_nearer_by_the_margin(
    x: tuple[float, ...], before: str | float | None, margin: float, said: str
) -> None:
    frozen = by_hand(("c1", (0.0, 0.0)), ("c2", (10.0, 0.0)))
    frozen["scale"] = {"mean": [5.0, 0.0], "sd": [5 / 8, 1.0]}  # 0 to 10 are -8 to 8
    frozen["clusters"][0]["centre"], frozen["clusters"][1]["centre"] = [-8.0, 0.0], [8.0, 0.0]
    assert ClusterScorer(clusters(margin=margin), 1, frozen).score(x, before) == said


def test_margin_and_labels_are_those_in_force_and_not_the_snapshots() -> None:
    definition = clusters(margin=0.1)
    learner = learned(definition, drawn(definition, 300))
    frozen = learner.scorer()
    edited = clusters(margin=0.5, labels={"c1": "The usual"})
    assert edited.definition == definition.definition
    assert frozen is not None
    first, second = (ClusterScorer(one, 1, frozen) for one in (definition, edited))
    assert second.titles["c1"] == "The usual"
    assert second.titles["c2"] == first.titles["c2"] == frozen["clusters"][1]["description"]
    near, far = frozen["clusters"][0]["centre"], frozen["clusters"][1]["centre"]
    z = [a + 0.6 * (b - a) for a, b in zip(near, far, strict=True)]  # 0.4 against 0.6: nearer by a third
    x = [v * s + m for v, s, m in zip(z, frozen["scale"]["sd"], frozen["scale"]["mean"], strict=True)]
    assert (first.score(x, "c1"), second.score(x, "c1")) == ("c2", "c1")


def test_scoring_changes_nothing() -> None:
    definition = clusters()
    learner = learned(definition, drawn(definition, 300))
    scorer = scorer_of(definition, learner)
    state, points = learner.state(), [one.x for one in drawn(definition, 200, seed=5)]
    once = [scorer.score(x, None) for x in points]
    for x in points:
        learner.loss(sample(definition, 1, x))
        learner.distances(x)
    assert [scorer.score(x, None) for x in points] == once
    assert learner.state() == state


def test_scorers_need_no_river() -> None:
    modules = "state.models.centres, state.models.trees, state.models.describe, state.models.scorers"
    code = f"import sys, {modules}\nassert not {{'river', 'scipy', 'numpy'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Learning


def test_groups_become_clusters_the_largest_first() -> None:
    definition = clusters()
    rng = random.Random(2)
    groups = [GROUPS[0]] * 4 + [GROUPS[1]] * 3 + [GROUPS[2]] * 2 + [GROUPS[3]]
    samples = [sample(definition, n, [rng.gauss(at, 0.5) for at in groups[n % 10]]) for n in range(400)]
    scorer = scorer_of(definition, learned(definition, samples))
    assert [scorer.score(group, None) for group in GROUPS] == ["c1", "c2", "c3", "c4"]


def test_before_the_warm_up_is_over_there_is_neither_scorer_nor_state() -> None:
    definition = clusters()
    samples = drawn(definition, 200)
    learner = learned(definition, samples[:-1])
    assert (learner.scorer(), learner.state(), learner.loss(samples[0]), learner.distances(samples[0].x)) == (None,) * 4
    learner.learn(samples[-1])
    assert learner.scorer() is not None


def test_the_warm_up_is_over_after_its_time_though_samples_are_few() -> None:
    definition = clusters(warm_up=20_000, warm_up_for="30d")
    samples = drawn(definition, 301)  # ten a day
    learner = learned(definition, samples[:-1])
    assert learner.scorer() is None
    learner.learn(samples[-1])
    assert learner.scorer() is not None


def test_the_warm_up_waits_for_every_feature_to_vary_says_so_and_keeps_no_more_samples() -> None:
    definition = clusters()
    learner = ClustersLearner(definition)
    for one in drawn(definition, 700):
        learner.learn(sample(definition, 0, (*one.x[:2], 30.0), at=one.at))
    assert learner.scorer() is None
    assert [problem for problem in learner.problems() if "feature c was the same in all of the newest 200" in problem]
    assert len(learner._warming or ()) == 200  # noqa: SLF001 - that memory does not grow shows nowhere else
    learner.learn(sample(definition, 1, (1.0, 1.0, 31.0), at=DAY_MS * 71))
    assert learner.scorer() is not None


def test_fewer_different_vectors_than_clusters_wait_too() -> None:
    definition = clusters(warm_up=20)
    learner = learned(definition, [sample(definition, n, (n % 3, n % 3, n % 3)) for n in range(100)])
    assert learner.scorer() is None
    assert any("only 3 different vectors: lower k" in problem for problem in learner.problems())
    assert learned(definition, [sample(definition, n, (n % 4, n % 4, n % 4)) for n in range(20)]).scorer() is not None


def test_a_sample_moves_its_centre_by_step_and_no_other() -> None:
    definition = clusters(step=0.25)
    learner = learned(definition, drawn(definition, 200))
    before = learner.scorer()
    assert before is not None
    x = (14.5, 13.0, 1.0)
    said = scorer_of(definition, learner).score(x, None)
    learner.learn(sample(definition, 200, x))
    after = learner.scorer()
    assert after is not None
    scale = before["scale"]
    z = [(v - m) / s for v, m, s in zip(x, scale["mean"], scale["sd"], strict=True)]
    assert after["scale"] == scale
    for old, new in zip(before["clusters"], after["clusters"], strict=True):
        expected = [c + 0.25 * (v - c) for c, v in zip(old["centre"], z, strict=True)]
        assert new["centre"] == (pytest.approx(expected) if old["id"] == said else old["centre"])


def test_the_same_samples_give_the_same_model() -> None:
    definition = clusters()
    one, two = (learned(definition, drawn(definition, 400)) for _ in range(2))
    assert one.scorer() == two.scorer()
    assert one.state() == two.state()


def test_restored_from_json_goes_on_as_if_never_interrupted() -> None:
    definition = clusters(step=0.05)
    samples = drawn(definition, 600)
    whole = learned(definition, samples)
    first = learned(definition, samples[:350])
    second = ClustersLearner(definition)
    second.restore(state_of(first))
    assert state_of(second) == state_of(first)
    assert second.scorer() == first.scorer()
    for one in samples[350:]:
        second.learn(one)
    assert second.state() == whole.state()
    assert second.scorer() == whole.scorer()


def test_a_snapshot_goes_to_json_and_back_and_the_trainer_resumes_to_the_same_scores() -> None:
    definition = clusters()
    samples = drawn(definition, 900)
    whole = Trainer(definition, snapshot_every=100)
    records = []
    for number, one in enumerate(samples):
        whole.learn(one, source=(0, number, 0), offset=number)
        if number == 449:
            records.append(encode(whole.snapshot(5)))
    resumed = Trainer.restore(definition, decode(records[0]), snapshot_every=100)
    assert resumed.next_offset == 450
    for number, one in enumerate(samples[450:], 450):
        resumed.learn(one, source=(0, number, 0), offset=number)
    first, second = (decode(encode(trainer.snapshot(9))) for trainer in (whole, resumed))
    assert (first.scorer, first.learner, first.metrics) == (second.scorer, second.learner, second.metrics)
    a, b = make_scorer(definition, first), make_scorer(definition, second)
    assert a is not None
    assert b is not None
    assert [a.score(s.x, None) for s in samples] == [b.score(s.x, None) for s in samples]


def test_k_between_is_the_number_of_groups() -> None:
    definition = clusters("{between: [2, 8]}")
    learner = learned(definition, drawn(definition, 400))
    assert len(learner.ids) == 4
    assert [k for k, _ in (learner.scorer() or {})["silhouettes"]] == [2, 3, 4, 5, 6, 7, 8]
    fewer = drawn(definition, 400, groups=GROUPS[:3])
    assert len(learned(definition, fewer).ids) == 3


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan, 1e300])
def test_what_is_no_number_is_said_and_never_spoils_a_centre(bad: float) -> None:
    definition = clusters()
    learner = ClustersLearner(definition)
    for number, one in enumerate(drawn(definition, 600)):
        x = (one.x[0], bad, one.x[2]) if number % 5 == 0 else one.x
        learner.learn(sample(definition, number, x))
    text = json.dumps([learner.scorer(), learner.state(), learner.loss(sample(definition, 1, (bad,) * 3))])
    assert "NaN" not in text
    assert "Infinity" not in text
    assert any("feature b was infinite or no number in 120 samples" in problem for problem in learner.problems())
    assert scorer_of(definition, learner).score((bad, bad, bad), "c1") in learner.ids


def test_ten_times_the_same_customer_goes_on() -> None:
    definition = clusters()
    samples = [one for one in drawn(definition, 250) for _ in range(10)]
    learner = learned(definition, samples)
    frozen = learner.scorer()
    assert frozen is not None
    assert all(len(set(cluster["typical"])) == len(cluster["typical"]) for cluster in frozen["clusters"])


def test_a_small_cluster_is_reported() -> None:
    definition = clusters("2", warm_up=302)
    lone = [sample(definition, n, (100.0 + n, 100.0, 100.0)) for n in range(2)]
    learner = learned(definition, [*drawn(definition, 300, groups=GROUPS[:1]), *lone])
    assert any(problem.startswith("cluster c2 has 0.7% of the recent") for problem in learner.problems())


def test_a_warm_up_shorter_than_the_windows_is_said_for_as_long_as_it_matters() -> None:
    definition = clusters(warm_up=40)
    learner = learned(definition, drawn(definition, 50))  # four of seven days
    assert any("features look back 7d" in problem for problem in learner.problems())
    for one in drawn(definition, 150, seed=4, begin=50):
        learner.learn(one)
    assert not any("look back" in problem for problem in learner.problems())


# Ids


def refitted(definition: Clusters, old: ClustersLearner, samples: Iterable[Sample]) -> ClustersLearner:
    new = ClustersLearner(definition)
    new.adopt(old)
    for one in samples:
        new.learn(one)
    new.settle()
    return new


def test_a_refit_on_the_same_samples_keeps_all_ids() -> None:
    definition = clusters()
    samples = drawn(definition, 600)
    old = learned(definition, samples)
    new = refitted(definition, old, samples)
    one, two = scorer_of(definition, old), scorer_of(definition, new)
    assert new.scorer() != old.scorer()
    assert set(new.ids) == set(old.ids)
    assert [two.score(s.x, None) for s in samples] == [one.score(s.x, None) for s in samples]
    assert (new.scorer() or {})["retired"] == []


@pytest.mark.parametrize("early", [True, False])
def test_a_cluster_that_vanished_is_retired_and_a_new_one_has_a_fresh_id(early: bool) -> None:
    definition = clusters()
    old = learned(definition, drawn(definition, 400))
    before = scorer_of(definition, old)
    gone = before.score(GROUPS[3], None)
    samples = drawn(definition, 400, seed=8, groups=(*GROUPS[:3], (-20.0, -20.0, 9.0)))
    if early:
        new = refitted(definition, old, samples)
    else:
        new = learned(definition, samples)
        new.adopt(old)
    after = scorer_of(definition, new)
    assert [after.score(group, None) for group in GROUPS[:3]] == [before.score(group, None) for group in GROUPS[:3]]
    assert after.score((-20.0, -20.0, 9.0), gone) == "c5"
    assert (new.scorer() or {})["retired"] == [gone]
    assert gone not in new.ids
    newer = refitted(definition, new, drawn(definition, 400, seed=9))
    assert "c6" in newer.ids
    assert not {"c5", gone} & set(newer.ids)


def test_a_refit_makes_its_clusters_from_all_its_samples_when_it_is_told_to() -> None:
    definition = clusters(refit_window=1_000, warm_up_for="5d")
    old = learned(definition, drawn(definition, 400))
    new = ClustersLearner(definition)
    new.adopt(old)
    far = (-50.0, -50.0, 50.0)
    for one in drawn(definition, 300, groups=(far,)) + drawn(definition, 600, seed=3, groups=GROUPS[:3]):
        new.learn(one)
    assert new.scorer() is None  # though 200 are a warm-up
    new.settle()
    assert {scorer_of(definition, new).score(at, None) for at in GROUPS[:3]} <= set(old.ids)
    assert scorer_of(definition, new).score(far, None) == "c5"


def test_a_feature_that_varied_only_before_what_is_held_does_not_vary() -> None:
    definition = clusters()
    warming = Warming(definition.feature_names, 50, DAY_MS)
    for number in range(10):
        warming.add(sample(definition, number, (1.0, 2.0, number)))
    assert list(warming.constant()) == ["a", "b"]
    for number in range(48):
        warming.add(sample(definition, number, (number, number, 9.0)))
    assert list(warming.constant()) == []  # 8.0 is still held
    for number in range(2):
        warming.add(sample(definition, number, (number, number, 9.0)))
    assert list(warming.constant()) == ["c"]
    assert warming.distinct == 50 - 2
    assert not warming.ready(4)


def test_a_refit_keeps_the_number_of_clusters_once_chosen() -> None:
    definition = clusters("{between: [2, 8]}")
    old = learned(definition, drawn(definition, 400))
    new = refitted(definition, old, drawn(definition, 400, seed=3, groups=GROUPS[:2]))
    assert len(new.ids) == len(old.ids) == 4


def test_drift_refits_publishes_and_keeps_the_ids_of_the_clusters_that_stayed() -> None:
    definition = clusters(on_drift="refit", refit_window=400)
    trainer = Trainer(definition, snapshot_every=100)
    samples = drawn(definition, 600)
    wandering = [(14.0 + 4 * step, 14.0 - 5 * step, 3.0 * step) for step in range(10)]
    for step, last in enumerate(wandering):
        samples += drawn(definition, 150, seed=step, groups=(*GROUPS[:3], last), begin=len(samples))
    titles: list[dict[str, str]] = []
    stayed: list[list[Said]] = []
    scorer: Scorer | None = None
    events = []
    for number, one in enumerate(samples):
        said = None if scorer is None else str(scorer.score(one.x, None))
        given = sample(definition, number, one.x, said)
        events += trainer.learn(given, source=(0, number, 0), offset=number)
        if trainer.due:
            scorer = make_scorer(definition, decode(encode(trainer.snapshot(1))))
        if scorer is not None and number in (599, len(samples) - 1):
            titles.append(dict(scorer.titles))
            stayed.append([scorer.score(at, None) for at in GROUPS[:3]])
    assert "published" in [event.refit for event in events]
    assert {event.detector for event in events} == {"distance"}
    assert stayed[0] == stayed[1]
    assert scorer is not None
    assert scorer.score(wandering[-1], None) not in titles[0]


def test_a_refit_and_its_predecessor_are_measured_in_one_scale() -> None:
    definition = clusters()
    old = learned(definition, drawn(definition, 400))
    wide = [[10 * at for at in group] for group in GROUPS]
    samples = drawn(definition, 400, seed=6, groups=wide)
    new = refitted(definition, old, samples)
    assert sum(new.loss(one) or 0 for one in samples) < sum(old.loss(one) or 0 for one in samples)
    known, made = old.scorer() or {}, new.scorer() or {}
    yardstick, own = (Scale(frozen["scale"]["mean"], frozen["scale"]["sd"]) for frozen in (known, made))
    assert own.sd[0] > 5 * yardstick.sd[0]
    for one in samples[:20]:
        nearest = min(
            (cluster["centre"] for cluster in made["clusters"]), key=lambda at: math.dist(at, own.scaled(one.x))
        )
        between = math.dist(yardstick.scaled(one.x), yardstick.scaled(own.natural(nearest)))
        assert new.loss(one) == pytest.approx(between)
    restored = ClustersLearner(definition)
    restored.restore(state_of(new))
    assert [restored.loss(one) for one in samples] == [new.loss(one) for one in samples]


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        ([(0, 0), (10, 0)], [(10, 1), (0, 1)], {0: 1, 1: 0}),
        ([(0, 0), (10, 0)], [(0, 5), (10, 5.1)], {0: 0}),  # half of 10 is still a match
        ([(0, 0), (1, 0)], [(0.1, 0), (-100, 0)], {0: 0}),  # the least sum alone would pair the far one with (0, 0)
        ([(0, 0), (10, 0)], [(1, 0), (2, 0), (10, 0)], {0: 0, 2: 1}),
        ([(0, 0), (10, 0), (20, 0)], [(10, 0)], {0: 1}),
        ([], [(0, 0)], {}),
    ],
)
def test_pairs_are_the_nearest_and_none_is_far(
    old: list[tuple[float, float]], new: list[tuple[float, float]], pairs: dict[int, int]
) -> None:
    assert match(old, new) == pairs


# Parts


def test_batch_k_means_is_as_good_as_the_best_partition_of_a_few_points() -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(9, 2))
    best = min(
        sum(float(((rows[group] - rows[group].mean(axis=0)) ** 2).sum()) for group in split)
        for mask in range(1, 256)
        for split in [
            ([n for n in range(9) if n == 8 or mask >> n & 1], [n for n in range(8) if not mask >> n & 1]),
        ]
        if split[1]
    )
    assert fit(rows, 2, "seed").distortion * 9 == pytest.approx(best)


def test_known_centres_stay_unless_others_are_worth_it() -> None:
    rng = np.random.default_rng(4)
    even = rng.uniform(size=(2000, 2)) * [1, 1]
    halves = np.array([[0.25, 0.5], [0.75, 0.5]])
    stacked = np.array([[0.5, 0.25], [0.5, 0.75]])
    assert fit(even, 2, "s", halves).centres == pytest.approx(halves, abs=0.05)
    upright = fit(even, 2, "s", stacked).centres
    assert upright[np.argsort(upright[:, 1])] == pytest.approx(stacked, abs=0.05)
    corners = np.array([[-5.0, 0.1], [-5.0, -0.1], [5.0, 0.1], [5.0, -0.1]] * 50)
    assert fit(corners, 2, "s", np.array([[0.0, 3.0], [0.0, -3.0]])).distortion == pytest.approx(0.01)


def test_the_silhouette_is_that_of_its_definition() -> None:
    squared = np.array([[1.0, 16.0, 25.0], [9.0, 4.0, 100.0], [0.0, 0.0, 4.0]])
    assert simplified_silhouette(squared) == pytest.approx(((4 - 1) / 4 + (3 - 2) / 3 + 0) / 3)


def test_all_silhouettes_of_a_choice_are_told() -> None:
    rng = np.random.default_rng(5)
    rows = np.concatenate([rng.normal(size=(60, 2)) * 0.2 + at for at in ((0, 0), (5, 0), (0, 5))])
    found, silhouettes = choose(rows, range(2, 6), "s")
    assert sorted(silhouettes) == [2, 3, 4, 5]
    assert len(found.centres) == max(silhouettes, key=lambda k: silhouettes[k]) == 3


def test_typical_customers_are_near_and_recent() -> None:
    typical = Typical(half_life=10)
    for number in range(50):
        typical.see("c1", f"far{number}", 5.0)
    typical.see("c1", "near", 0.5)
    assert typical.of("c1")[0] == "near"
    typical.see("c2", "near", 0.1)
    assert "near" not in typical.of("c1")
    assert typical.of("c2") == ["near"]
    for number in range(60):  # six half-lives: 1 / 64
        typical.see("c2", f"new{number}", 1.0)
    assert "near" not in typical.of("c2")
    assert typical.of("unknown") == []
    again = Typical(half_life=10)
    again.restore(json.loads(json.dumps(typical.state())))
    assert again.state() == typical.state()
    assert again.of("c2") == typical.of("c2")


# Quality


def test_quality_is_measured_before_a_sample_moves_anything_and_restored_exactly() -> None:
    definition = clusters(step=0.1)
    samples = drawn(definition, 500)
    learner = learned(definition, samples[:200])
    quality = ClustersQuality()
    quality.follow(learner)
    squares, silhouettes = [], []
    for number, one in enumerate(samples[200:]):
        said = "c1" if number < 299 else "c2"
        near, second = learner.distances(one.x) or (0.0, 0.0)
        squares.append(near**2)
        silhouettes.append((second - near) / second)
        quality.add(sample(definition, 200 + number, one.x, said))
        learner.learn(one)
    quality.add(samples[0])
    timer = quality.metrics()["timer"]
    for side in ("recent", "all"):
        assert timer[side]["samples"] == 300
        assert timer[side]["distortion"] == pytest.approx(np.mean(squares))
        assert timer[side]["silhouette"] == pytest.approx(np.mean(silhouettes))
        assert timer[side]["sizes"] == {"c1": pytest.approx(299 / 300), "c2": pytest.approx(1 / 300)}
        assert timer[side]["small"] == ["c2"]
    assert quality.metrics()["unscored"] == 1
    assert quality.metrics()["event"]["recent"]["samples"] == 0
    again = ClustersQuality()
    again.restore(json.loads(json.dumps(quality.state())))
    assert again.metrics() == quality.metrics()
    assert again.state() == quality.state()


def test_a_snapshot_of_the_most_clusters_and_features_is_small_enough() -> None:
    features = {f"f{number:03}": {"trait": f"t{number}"} for number in range(200)}
    given = {"key": "personas", "kind": "clusters", "k": 64, "sample": {"every": "7d"}, "features": features}
    definition = load_text(json.dumps({"models": [given | {"warm_up": 300}]}), json=True).models[0]
    assert isinstance(definition, Clusters)
    rng = random.Random(1)
    learner, quality = ClustersLearner(definition), ClustersQuality()
    for number in range(300):
        learner.learn(sample(definition, number, [rng.random() for _ in range(200)]))
    small = clusters()
    quality.follow(learned(small, drawn(small, 200)))
    for number in range(10_100):
        one = sample(small, number, (0.0, 0.0, number), f"c{1 + number % 64}")
        quality.add(one if number % 2 else msgspec.structs.replace(one, why="event"))
    parts = [encoded(part) for part in (learner.scorer(), learner.state(), quality.state(), quality.metrics())]
    watched = 5_000 * 8 * 4 // 3
    assert sum(parts) + watched < MOST_BYTES


def encoded(part: object) -> int:
    return len(msgspec.json.encode(part))


def test_moves_a_week_are_those_of_a_fair_part_of_the_customers() -> None:
    moves = Moves()
    customers = 3 * MOST
    for week in range(4):
        for number in range(customers):
            moved = week == 3 and number % 4 == 0
            moves.see(f"u{number}", week * WEEK_MS, 2 if moved else 1)
    assert moves.metrics()["all"] == pytest.approx(0.25 / 3, rel=0.15)
    assert len(moves.state()["marks"]) < 4 / 3 * 4 * MOST + 8
    again = Moves()
    again.restore(json.loads(json.dumps(moves.state())))
    before = copy.deepcopy(moves.metrics())
    assert again.metrics() == before
    again.see("u1", 9 * WEEK_MS, 5)
    moves.see("u1", 9 * WEEK_MS, 5)
    assert again.state() == moves.state()


def test_moves_in_the_newest_four_weeks_stand_alone() -> None:
    moves = Moves()
    for week in range(10):
        moves.see("u1", week * WEEK_MS, min(5, week))
    assert moves.metrics() == {"recent": 0.0, "all": pytest.approx(5 / 9)}
    moves.see("u1", 2 * WEEK_MS, 1)  # late: not a move back
    assert moves.metrics()["all"] == pytest.approx(5 / 9)
