"""Quality of a propensity: whether scores tell who will from who will not, and come true as often as they say."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from state.models.linear import LEAST, log_loss
from state.models.quality import measures
from state.models.quality.base import Quality
from state.models.quality.window import Window

if TYPE_CHECKING:
    from state.models.sample import Sample

BINS: Final = 1_000
FURTHEST: Final = 10.0
"""Log-odds of the outermost bins. Bins of equal width in log-odds tell rare scores apart that are all close to 0."""
WHYS: Final = ("event", "timer")


class PropensityQuality(Quality):
    """ROC AUC, log loss, Brier score, base rate and calibration, of event and timed samples apart."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._sides = {why: _Side() for why in WHYS}
        self._unscored = 0

    def add(self, sample: Sample) -> None:
        """Measure a sample's score by its label; one without either is only counted."""
        if isinstance(sample.score, float | int) and sample.y in (0, 1) and sample.why in self._sides:
            self._sides[sample.why].add(float(sample.score), float(sample.y))
        else:
            self._unscored += 1

    def metrics(self) -> dict[str, Any]:
        """Return {event, timer} of {recent, all} of measures, and the number of samples without a score."""
        sides = {why: side.metrics() for why, side in self._sides.items()}
        return {**sides, "unscored": self._unscored}

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        return {"unscored": self._unscored, **{why: side.state() for why, side in self._sides.items()}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._unscored = state["unscored"]
        for why, side in self._sides.items():
            side.restore(state[why])


class _Side:
    """Samples taken for one reason: the newest exactly, all of them in bins and sums."""

    def __init__(self) -> None:
        self._window = Window(2)
        self._counts = [[0] * BINS, [0] * BINS]
        """By label: how many scores were in each bin of log-odds."""
        self._tenths = [[0.0] * measures.TENTHS for _ in range(3)]
        """Labels, the sum of scores and the sum of labels in each bin of calibration."""
        self._losses = 0.0
        self._squares = 0.0

    def add(self, score: float, y: float) -> None:
        self._window.add(score, y)
        self._counts[int(y)][_bin(score)] += 1
        tenth = measures.tenth_of(score)
        labels, scores, ones = self._tenths
        labels[tenth] += 1
        scores[tenth] += score
        ones[tenth] += y
        self._losses += log_loss(y, score)
        self._squares += (score - y) ** 2

    def metrics(self) -> dict[str, Any]:
        return {"recent": self._recent(), "all": self._all()}

    def _recent(self) -> dict[str, Any]:
        score, y = self._window.columns()
        if not len(y):
            return _said(np.zeros((3, measures.TENTHS)), None, 0.0, 0.0)
        tenths = np.minimum((score * measures.TENTHS).astype(int), measures.TENTHS - 1)
        sums = np.array([np.bincount(tenths, of, measures.TENTHS) for of in (np.ones(len(y)), score, y)])
        losses = float(np.sum(measures.log_losses(y, score)))
        return _said(sums, measures.roc_auc(y, score), losses, float(np.sum((score - y) ** 2)))

    def _all(self) -> dict[str, Any]:
        zeros, ones = np.array(self._counts, dtype=np.float64)
        return _said(np.array(self._tenths), measures.binned_auc(zeros, ones), self._losses, self._squares)

    def state(self) -> dict[str, Any]:
        return {
            "window": self._window.state(),
            "counts": [list(row) for row in self._counts],
            "tenths": [list(row) for row in self._tenths],
            "losses": self._losses,
            "squares": self._squares,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._window.restore(state["window"])
        self._counts = [list(row) for row in state["counts"]]
        self._tenths = [list(row) for row in state["tenths"]]
        self._losses = state["losses"]
        self._squares = state["squares"]


def _bin(score: float) -> int:
    kept = min(max(score, LEAST), 1 - LEAST)
    log_odds = math.log(kept / (1 - kept))
    place = int((log_odds + FURTHEST) / (2 * FURTHEST) * BINS)
    return min(max(place, 0), BINS - 1)


def _said(tenths: Any, auc: float | None, losses: float, squares: float) -> dict[str, Any]:
    labels = float(tenths[0].sum())
    bins, error = measures.calibration(*tenths)
    rate = float(tenths[2].sum()) / labels if labels else None
    return {
        "labels": int(labels),
        "base_rate": rate,
        "mean_score": float(tenths[1].sum()) / labels if labels else None,
        "auc": auc,
        "log_loss": losses / labels if labels else None,
        "base_log_loss": None if rate is None else measures.entropy(rate),
        "brier": squares / labels if labels else None,
        "calibration_error": error,
        "calibration": bins,
    }
