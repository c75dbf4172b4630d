"""The trainer: each sample is learned once, a restored one goes on where it stopped, a refit is published if better."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from rules.errors import StateError
from rules.load import load_text
from state.models.linear import sigmoid
from state.models.quality.window import KEPT
from state.models.sample import Sample
from state.models.scorers import make_scorer
from state.models.snapshot import MOST_BYTES, Snapshot, decode, encode
from state.models.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.models.definition import AnyModel

KINDS = ("propensity", "value", "anomaly", "clusters")


def model(kind: str, features: int = 3, **options: Any) -> AnyModel:
    raw: dict[str, Any] = {"key": "m", "kind": kind, "sample": {"every": "28d"}, "warm_up": 50}
    raw["features"] = {f"f{number:03}": {"trait": f"t{number}"} for number in range(features)}
    if kind in {"propensity", "value"}:
        raw["target"] = {"event": "Order", "within": "90d"} | ({"of": "total"} if kind == "value" else {})
    if kind == "clusters":
        raw["k"] = 3
    return load_text(json.dumps({"models": [raw | options]})).models[0]


def stream(definition: AnyModel, count: int, *, sign: float = 1.0, seed: int = 1, first: int = 0) -> Iterator[Sample]:
    """Yield samples scored as a model that knows the first signs would."""
    rng = random.Random(seed)
    size = len(definition.feature_names)
    for number in range(first, first + count):
        x = tuple(rng.gauss(0, 1) for _ in range(size))
        chance = sigmoid(2 * sign * x[0])
        y: float | None = float(rng.random() < chance)
        score: float | str | None = round(sigmoid(2 * x[0]), 6)
        if definition.kind == "value":
            y, score = 100 * chance + rng.random(), 100 * sigmoid(2 * x[0])
        if definition.kind in {"clusters", "anomaly"}:
            y, score = None, None
        why = "event" if number % 2 else "timer"
        yield Sample("m", definition.definition, f"c{number}", number, number, why, x, y, score, 1)


def teach(trainer: Trainer, samples: Iterator[Sample] | list[Sample], first: int = 0) -> list[Any]:
    """Learn samples from two partitions that alternate; return the drifts."""
    found = []
    for offset, one in enumerate(samples, first):
        found += trainer.learn(one, source=(offset % 2, offset // 2, 0), offset=offset)
    return found


def through_json(snapshot: Snapshot) -> Snapshot:
    return decode(encode(snapshot))


@pytest.mark.parametrize("kind", ["propensity", "value"])
@pytest.mark.parametrize("after", [0, 30, 700])
def test_a_restored_trainer_goes_on_exactly(kind: str, after: int) -> None:
    definition = model(kind)
    samples = list(stream(definition, 1_200))
    whole = Trainer(definition)
    teach(whole, samples[:after])
    snapshot = whole.snapshot(1)
    resumed = Trainer.restore(definition, through_json(snapshot))
    assert resumed.next_offset == after
    assert not resumed.due
    for trainer in (whole, resumed):
        teach(trainer, samples[after:], after)
    assert resumed.snapshot(2) == whole.snapshot(2)


def test_a_snapshot_stays_as_it_was_while_learning_goes_on() -> None:
    definition = model("value")
    trainer = Trainer(definition)
    teach(trainer, stream(definition, 200))
    snapshot = trainer.snapshot(1)
    data = encode(snapshot)
    teach(trainer, stream(definition, 200, seed=2), 200)
    assert encode(snapshot) == data


@pytest.mark.parametrize("kind", KINDS)
def test_each_source_is_learned_once(kind: str) -> None:
    definition = model(kind)
    samples = list(stream(definition, 300))
    once, often = Trainer(definition), Trainer(definition)
    teach(once, samples)
    rng = random.Random(3)
    offset = 0
    for number, one in enumerate(samples):
        # an outbox sends again what it cannot know to have arrived: a few of the newest, in order
        for again in range(max(0, number - rng.randrange(4)), number + 1):
            often.learn(samples[again], source=(again % 2, again // 2, 0), offset=offset)
            offset += 1
        del one
    assert often.samples == once.samples == 300
    theirs, ours = often.snapshot(1), once.snapshot(1)
    assert (theirs.scorer, theirs.learner, theirs.metrics) == (ours.scorer, ours.learner, ours.metrics)


def test_sources_are_ordered_by_commit_and_then_by_index_in_each_partition() -> None:
    definition = model("propensity")
    samples = list(stream(definition, 7))
    trainer = Trainer(definition)
    sources = [(0, 1, 0), (0, 1, 1), (0, 1, 1), (1, 1, 0), (0, 2, 0), (0, 1, 2), (1, 1, 0)]
    learned = []
    for offset, (one, source) in enumerate(zip(samples, sources, strict=True)):
        before = trainer.samples
        trainer.learn(one, source=source, offset=offset)
        learned.append(trainer.samples > before)
    assert learned == [True, True, False, True, True, False, False]


def test_samples_of_others_are_passed_over() -> None:
    definition = model("propensity")
    trainer = Trainer(definition)
    one = next(stream(definition, 1))
    for other in (msgspec.structs.replace(one, model="other"), msgspec.structs.replace(one, definition="edited")):
        trainer.learn(other, source=(0, 1, 0), offset=5)
    assert trainer.samples == 0
    assert trainer.next_offset == 6
    trainer.learn(one, source=(0, 1, 0), offset=6)
    assert trainer.samples == 1


def test_a_snapshot_is_due_after_so_many_samples_and_its_versions_count() -> None:
    definition = model("propensity")
    trainer = Trainer(definition, snapshot_every=10)
    due = []
    for offset, one in enumerate(stream(definition, 30)):
        trainer.learn(one, source=(0, offset, 0), offset=offset)
        if trainer.due:
            snapshot = trainer.snapshot(offset)
            due.append((snapshot.version, snapshot.samples, snapshot.offset, snapshot.created_at))
    assert due == [(1, 10, 9, 9), (2, 20, 19, 19), (3, 30, 29, 29)]
    assert Trainer.restore(definition, trainer.snapshot(99)).snapshot(99).version == 5


def test_there_is_no_scorer_while_warming_up_nor_of_another_definition() -> None:
    definition = model("propensity")
    trainer = Trainer(definition)
    teach(trainer, stream(definition, 49))
    assert make_scorer(definition, trainer.snapshot(1)) is None
    teach(trainer, stream(definition, 1, first=49), 49)
    snapshot = trainer.snapshot(2)
    scorer = make_scorer(definition, snapshot)
    assert scorer is not None
    assert scorer.version == 2
    assert make_scorer(model("propensity", warm_up=51), snapshot) is None


def test_a_kind_without_a_faithful_state_learns_again_and_publishes_nothing_older() -> None:
    definition = model("anomaly")
    samples = list(stream(definition, 400))
    whole = Trainer(definition, snapshot_every=50)
    teach(whole, samples[:300])
    snapshot = whole.snapshot(1)
    assert snapshot.learner["state"] is None
    resumed = Trainer.restore(definition, through_json(snapshot), snapshot_every=50)
    assert resumed.next_offset == 0
    teach(resumed, samples[:300])
    assert not resumed.due
    assert resumed.fresh == 0
    for trainer in (whole, resumed):
        teach(trainer, samples[300:], 300)
        assert trainer.due
    assert resumed.snapshot(2) == whole.snapshot(2)
    assert resumed.samples == 400


def test_a_snapshot_of_another_model_or_without_a_state_is_refused() -> None:
    definition = model("propensity")
    trainer = Trainer(definition)
    teach(trainer, stream(definition, 60))
    snapshot = trainer.snapshot(1)
    with pytest.raises(StateError, match="an edited model begins anew"):
        Trainer.restore(model("propensity", warm_up=51), snapshot)
    with pytest.raises(StateError, match="no state to go on from"):
        Trainer.restore(definition, msgspec.structs.replace(snapshot, learner={}))
    with pytest.raises(StateError, match="cannot be scored with"):
        make_scorer(definition, msgspec.structs.replace(snapshot, scorer={"weights": []}))


def test_a_snapshot_too_large_for_a_record_is_refused_and_one_of_200_features_is_not() -> None:
    definition = model("value", features=200)
    trainer = Trainer(definition)
    teach(trainer, stream(definition, 200))
    # what grows with samples are the windows of quality and drift: they are full here
    for number in range(2 * KEPT):
        trainer._quality.add(  # noqa: SLF001 - learning so many samples of so many features takes long
            Sample("m", definition.definition, "c", 0, 0, ("event", "timer")[number % 2], (), number / 7, number / 9, 1)
        )
    assert len(encode(trainer.snapshot(1))) < MOST_BYTES - 120_000  # of the two detectors, 5,000 float64 each
    huge = msgspec.structs.replace(trainer.snapshot(2), metrics={"text": "x" * MOST_BYTES})
    with pytest.raises(StateError, match="give the model fewer features"):
        encode(huge)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b'{"model": "m"}', b'{"model": 1}'])
def test_what_is_no_snapshot_is_refused_with_a_remedy(data: bytes) -> None:
    with pytest.raises(StateError, match="write an empty value under its key"):
        decode(data)


def test_one_customer_s_share_of_the_samples_is_a_problem() -> None:
    definition = model("propensity")
    trainer = Trainer(definition)
    one = next(stream(definition, 1))
    for offset in range(10):
        trainer.learn(one, source=(0, offset, 0), offset=offset)
    assert any("10 of the last 10 samples are of customer 'c0'" in text for text in trainer.metrics()["problems"])
    usual = Trainer(definition)
    teach(usual, stream(definition, 200))
    assert usual.metrics()["problems"] == []


def refitted(sign: float, window: int = 600) -> tuple[Trainer, list[Any]]:
    definition = model("propensity", on_drift="refit", refit_window=window)
    trainer = Trainer(definition)
    found = teach(trainer, stream(definition, 6_000))
    found += teach(trainer, stream(definition, 600, sign=sign, seed=2), 6_000)
    return trainer, found


def test_a_refit_is_published_when_it_does_better_on_the_newest_tenth() -> None:
    trainer, found = refitted(-1.0, window=100)
    assert found
    assert {event.refit for event in found} <= {"published", "kept"}
    assert found[-1].refit == "published"
    assert trainer.due


def test_a_refit_is_tried_again_as_its_window_turns_over() -> None:
    definition = model("propensity", on_drift="refit", refit_window=2_000)
    trainer = Trainer(definition, snapshot_every=100_000)
    teach(trainer, stream(definition, 6_000))
    found = teach(trainer, stream(definition, 200, sign=-1.0, seed=2), 6_000)
    assert found[-1].refit == "published"
    # most of what it was learned from is still what was true before
    trainer = Trainer.restore(definition, through_json(trainer.snapshot(1)), snapshot_every=100_000)
    both = [*stream(definition, 6_000), *stream(definition, 200, sign=-1.0, seed=2)]
    teach(trainer, both[trainer.next_offset :], trainer.next_offset)
    assert not trainer.due
    news = [*stream(definition, 600, sign=-1.0, seed=3)]
    assert teach(trainer, news[:100], 6_200) == []
    assert not trainer.due
    assert teach(trainer, news[100:], 6_300) == []
    assert trainer.due


def test_without_drift_there_is_no_refit_and_report_only_reports() -> None:
    assert refitted(1.0)[1] == []
    definition = model("propensity")
    trainer = Trainer(definition)
    teach(trainer, stream(definition, 3_000))
    found = teach(trainer, stream(definition, 300, sign=-1.0, seed=2), 3_000)
    assert found
    assert {event.refit for event in found} == {None}


def test_the_window_of_a_refit_is_read_again_after_a_restart_and_nothing_learned_twice() -> None:
    definition = model("propensity", on_drift="refit", refit_window=100)
    samples = [*stream(definition, 3_000), *stream(definition, 600, sign=-1.0, seed=2, first=3_000)]
    whole = Trainer(definition)
    teach(whole, samples[:3_000])
    resumed = Trainer.restore(definition, through_json(whole.snapshot(1)))
    assert resumed.next_offset == 2_900
    teach(resumed, samples[2_900:3_000], 2_900)
    assert resumed.samples == 3_000
    assert resumed.fresh == 0
    ours, theirs = (teach(trainer, samples[3_000:], 3_000) for trainer in (whole, resumed))
    assert [event.samples for event in theirs] == [event.samples for event in ours]
    assert ours[0].refit is not None
    assert resumed.samples == 3_600
