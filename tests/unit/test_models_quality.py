"""Quality: exact over the newest labels, close to it since the start, by straightforward computation beside it."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from state.models.linear import sigmoid
from state.models.quality import measures
from state.models.quality.propensity import PropensityQuality
from state.models.quality.value import ValueQuality
from state.models.quality.window import KEPT, Window
from state.models.sample import Sample

if TYPE_CHECKING:
    from state.models.quality.base import Quality

KINDS: tuple[tuple[str, type[Quality]], ...] = (("propensity", PropensityQuality), ("value", ValueQuality))


def scored(y: float | None, score: float | None, why: str = "timer") -> Sample:
    return Sample("m", "d", "c", 0, 0, why, (), y, score, None if score is None else 1)


def drawn(kind: str, count: int, *, seed: int = 1, shift: float = 0.0, digits: int = 6) -> list[tuple[float, float]]:
    """Return (label, score) pairs; few digits give many ties."""
    rng = random.Random(seed)
    pairs = []
    for _ in range(count):
        odds = rng.gauss(-1 + shift, 1.2)
        if kind == "propensity":
            pairs.append((float(rng.random() < sigmoid(odds)), round(sigmoid(odds), digits)))
        else:
            spent = rng.choice([0.0, rng.lognormvariate(4 + odds / 3, 0.8)])
            pairs.append((round(spent, 2), round(math.exp(3.5 + odds / 3), digits)))
    return pairs


def measured(kind: str, pairs: list[tuple[float, float]], why: str = "timer") -> Any:
    quality = dict(KINDS)[kind]()
    for y, score in pairs:
        quality.add(scored(y, score, why))
    return quality


def plain_auc(pairs: list[tuple[float, float]]) -> float:
    ones = [score for y, score in pairs if y]
    zeros = [score for y, score in pairs if not y]
    won = sum((one > zero) + (one == zero) / 2 for one in ones for zero in zeros)
    return won / (len(ones) * len(zeros))


def plain_calibration_error(pairs: list[tuple[float, float]]) -> float:
    error = 0.0
    for tenth in range(10):
        of = [(y, s) for y, s in pairs if tenth / 10 <= s < (tenth + 1) / 10 or (tenth == 9 and s == 1)]
        if of:
            error += len(of) / len(pairs) * abs(sum(y for y, _ in of) / len(of) - sum(s for _, s in of) / len(of))
    return error


@pytest.mark.parametrize("digits", [6, 1], ids=["few ties", "many ties"])
def test_recent_propensity_measures_are_exact(digits: int) -> None:
    pairs = drawn("propensity", 900, digits=digits)
    found = measured("propensity", pairs).metrics()["timer"]["recent"]
    y, score = (np.array(column) for column in zip(*pairs, strict=True))
    kept = np.clip(score, 1e-6, 1 - 1e-6)
    assert found["labels"] == 900
    assert found["base_rate"] == pytest.approx(y.mean())
    assert found["auc"] == pytest.approx(plain_auc(pairs))
    assert found["auc"] == pytest.approx(sklearn_metrics.roc_auc_score(y, score))
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, kept))
    assert found["brier"] == pytest.approx(np.mean((y - score) ** 2))
    assert found["calibration_error"] == pytest.approx(plain_calibration_error(pairs))
    assert sum(tenth["labels"] for tenth in found["calibration"]) == 900
    assert found["base_log_loss"] == pytest.approx(sklearn_metrics.log_loss(y, np.full(900, y.mean())))


def plain_spearman(pairs: list[tuple[float, float]]) -> float:
    def ranks(values: list[float]) -> list[float]:
        return [sum(other < value for other in values) + (values.count(value) + 1) / 2 for value in values]

    first, second = (np.array(ranks(list(column))) for column in zip(*pairs, strict=True))
    return float(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize("digits", [6, -1], ids=["few ties", "many ties"])
def test_recent_value_measures_are_exact(digits: int) -> None:
    pairs = drawn("value", 600, digits=digits)
    found = measured("value", pairs).metrics()["timer"]["recent"]
    y, score = (np.array(column) for column in zip(*pairs, strict=True))
    running = np.array([0.0, *(np.cumsum(y) / np.arange(1, 601))[:-1]])
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((score - y) ** 2)))
    assert found["mae"] == pytest.approx(np.mean(np.abs(score - y)))
    assert found["running_mean_rmse"] == pytest.approx(np.sqrt(np.mean((running - y) ** 2)))
    assert found["running_mean_mae"] == pytest.approx(np.mean(np.abs(running - y)))
    assert found["bias"] == pytest.approx(score.sum() / y.sum())
    assert found["spearman"] == pytest.approx(plain_spearman(pairs))
    if digits == 6:
        highest = np.argsort(-score)[:60]
        assert found["top_tenth_share"] == pytest.approx(y[highest].sum() / y.sum())


def test_ties_at_the_edge_of_the_top_tenth_share_what_they_bring() -> None:
    score, y = np.array([9.0, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), np.zeros(20)
    y[0], y[1] = 10, 30
    # the tenth of 20 are two: the first, and one of three that are alike, who bring 10 each
    assert measures.top_tenth_share(score, np.ones(20), y) == pytest.approx(20 / 40)


@pytest.mark.parametrize("shift", [0.0, -4.0], ids=["usual", "rare"])
def test_propensity_since_the_start_is_close_to_exact(shift: float) -> None:
    pairs = drawn("propensity", 8_000, shift=shift)
    found = measured("propensity", pairs).metrics()["timer"]["all"]
    y, score = (np.array(column) for column in zip(*pairs, strict=True))
    assert found["labels"] == 8_000
    assert found["auc"] == pytest.approx(measures.roc_auc(y, score), abs=5e-4)
    assert found["log_loss"] == pytest.approx(measures.log_losses(y, score).mean(), abs=1e-9)
    assert found["brier"] == pytest.approx(np.mean((y - score) ** 2), abs=1e-9)
    assert found["calibration_error"] == pytest.approx(plain_calibration_error(pairs), abs=1e-9)


def test_value_since_the_start_is_close_to_exact() -> None:
    pairs = drawn("value", 8_000)
    found = measured("value", pairs).metrics()["timer"]["all"]
    y, score = (np.array(column) for column in zip(*pairs, strict=True))
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((score - y) ** 2)), abs=1e-9)
    assert found["bias"] == pytest.approx(score.sum() / y.sum(), abs=1e-9)
    assert found["spearman"] == pytest.approx(measures.spearman(score, y), abs=0.01)
    assert found["top_tenth_share"] == pytest.approx(measures.top_tenth_share(score, np.ones(8_000), y), abs=0.005)


@pytest.mark.parametrize("kind", ["propensity", "value"])
def test_recent_means_the_last_5_000(kind: str) -> None:
    old, new = drawn(kind, 3_000, shift=3.0), drawn(kind, KEPT, seed=2)
    both, only_new = (measured(kind, pairs).metrics()["timer"]["recent"] for pairs in (old + new, new))
    for name in both:
        if not name.startswith("running_mean"):
            assert both[name] == (only_new[name] if name == "calibration" else pytest.approx(only_new[name])), name


@pytest.mark.parametrize("kind", ["propensity", "value"])
def test_event_and_timed_samples_are_measured_apart_and_those_without_a_score_only_counted(kind: str) -> None:
    timed, at_events = drawn(kind, 50), drawn(kind, 70, seed=2)
    quality = measured(kind, timed)
    for y, score in at_events:
        quality.add(scored(y, score, "event"))
    for y, _ in timed[:7]:
        quality.add(scored(y, None))
    found = quality.metrics()
    assert found["unscored"] == 7
    assert found["timer"]["recent"]["labels"] == found["timer"]["all"]["labels"] == 50
    assert found["event"]["recent"]["labels"] == 70


@pytest.mark.parametrize("kind", ["propensity", "value"])
def test_a_restored_measure_is_an_uninterrupted_one(kind: str) -> None:
    pairs = drawn(kind, KEPT + 900)
    whole = measured(kind, pairs[:5_300])
    resumed = dict(KINDS)[kind]()
    resumed.restore(msgspec.json.decode(msgspec.json.encode(whole.state())))
    for y, score in pairs[5_300:]:
        for quality in (whole, resumed):
            quality.add(scored(y, score, "event" if y else "timer"))
    assert resumed.state() == whole.state()
    assert resumed.metrics() == whole.metrics()


@pytest.mark.parametrize("kind", ["propensity", "value"])
@pytest.mark.parametrize("pairs", [[], [(0.0, 0.5)], [(0.0, 0.3)] * 20, [(1.0, 1.0)] * 20, [(0.0, 0.0)] * 5], ids=str)
def test_what_is_not_defined_is_none_and_nothing_is_nan(kind: str, pairs: list[tuple[float, float]]) -> None:
    found = measured(kind, pairs).metrics()
    for part in (found["timer"]["recent"], found["timer"]["all"]):
        assert part["labels"] == len(pairs)
        assert part["auc" if kind == "propensity" else "spearman"] is None
        assert not any(isinstance(value, float) and not math.isfinite(value) for value in part.values())


def test_a_window_keeps_the_newest_rows_in_order() -> None:
    window = Window(2, kept=3)
    for number in range(5):
        window.add(number, -number)
    assert window.columns().tolist() == [[2, 3, 4], [-2, -3, -4]]
    resumed = Window(2, kept=3)
    resumed.restore(window.state())
    resumed.add(5, -5)
    assert resumed.columns()[0].tolist() == [3, 4, 5]
    window.clear()
    assert len(window) == 0
