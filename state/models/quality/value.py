"""Quality of an amount: how far off scores were, whether their sum is right, whether who brings most comes first.

The running mean of all labels so far stands beside: it needs no model.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from state.models.quality import measures
from state.models.quality.base import Quality
from state.models.quality.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from state.models.sample import Sample

BINS: Final = 1_000
CELLS: Final = 100
"""Bins of score and of label in the table that the rank correlation since the start is taken from."""
SMALLEST: Final = 0.01
LARGEST: Final = 1e7
"""Bins of equal width in the logarithm, between these; the first is for 0 and below, the last for more."""
WHYS: Final = ("event", "timer")
SUMS: Final = ("labels", "scores", "actual", "squares", "errors", "mean_squares", "mean_errors")


class ValueQuality(Quality):
    """RMSE and MAE beside the running mean's, bias, rank correlation, share in the top tenth; by why of the sample."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._sides = {why: _Side() for why in WHYS}
        self._unscored = 0
        self._labels = 0
        self._total = 0.0

    def add(self, sample: Sample) -> None:
        """Measure a sample's score by its label; one without either is only counted."""
        if sample.y is None or not math.isfinite(sample.y):
            self._unscored += 1
            return
        mean = self._total / self._labels if self._labels else 0.0
        if isinstance(sample.score, float | int) and sample.why in self._sides:
            self._sides[sample.why].add(float(sample.score), sample.y, mean)
        else:
            self._unscored += 1
        self._labels += 1
        self._total += sample.y

    def metrics(self) -> dict[str, Any]:
        """Return {event, timer} of {recent, all} of measures, and the number of samples without a score."""
        sides = {why: side.metrics() for why, side in self._sides.items()}
        return {**sides, "unscored": self._unscored}

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        own = {"unscored": self._unscored, "labels": self._labels, "total": self._total}
        return own | {why: side.state() for why, side in self._sides.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._unscored, self._labels, self._total = state["unscored"], state["labels"], state["total"]
        for why, side in self._sides.items():
            side.restore(state[why])


class _Side:
    """Samples taken for one reason: the newest exactly, all of them in bins and sums."""

    def __init__(self) -> None:
        self._window = Window(3)
        self._sums = dict.fromkeys(SUMS, 0.0)
        self._counts = [0] * BINS
        self._amounts = [0.0] * BINS
        self._cells: dict[int, int] = {}

    def add(self, score: float, y: float, mean: float) -> None:
        self._window.add(score, y, mean)
        off, mean_off = score - y, mean - y
        for name, term in zip(SUMS, (1, score, y, off**2, abs(off), mean_off**2, abs(mean_off)), strict=True):
            self._sums[name] += term
        place = _bin(score, BINS)
        self._counts[place] += 1
        self._amounts[place] += y
        cell = _bin(score, CELLS) * CELLS + _bin(y, CELLS)
        self._cells[cell] = self._cells.get(cell, 0) + 1

    def metrics(self) -> dict[str, Any]:
        return {"recent": self._recent(), "all": self._all()}

    def _recent(self) -> dict[str, Any]:
        score, y, mean = self._window.columns()
        off, mean_off = score - y, mean - y
        terms = (np.ones(len(y)), score, y, off**2, np.abs(off), mean_off**2, np.abs(mean_off))
        sums = {name: float(np.sum(term)) for name, term in zip(SUMS, terms, strict=True)}
        return _said(sums, measures.spearman(score, y), measures.top_tenth_share(score, np.ones(len(y)), y))

    def _all(self) -> dict[str, Any]:
        table = np.zeros(CELLS * CELLS)
        table[list(self._cells)] = list(self._cells.values())
        rank = measures.binned_spearman(table.reshape(CELLS, CELLS))
        order = np.arange(BINS, dtype=np.float64)
        share = measures.top_tenth_share(order, np.array(self._counts, dtype=np.float64), np.array(self._amounts))
        return _said(self._sums, rank, share)

    def state(self) -> dict[str, Any]:
        return {
            "window": self._window.state(),
            "sums": dict(self._sums),
            "counts": _packed(np.array(self._counts, dtype="<u4")),
            "amounts": _packed(np.array(self._amounts, dtype="<f8")),
            "cells": _packed(np.array([*self._cells, *self._cells.values()], dtype="<u4")),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._window.restore(state["window"])
        self._sums = dict(state["sums"])
        self._counts = np.frombuffer(b64decode(state["counts"]), dtype="<u4").tolist()
        self._amounts = np.frombuffer(b64decode(state["amounts"]), dtype="<f8").tolist()
        cells = np.frombuffer(b64decode(state["cells"]), dtype="<u4").tolist()
        half = len(cells) // 2
        self._cells = dict(zip(cells[:half], cells[half:], strict=True))


def _packed(array: NDArray[Any]) -> str:
    return b64encode(array.tobytes()).decode()


def _bin(amount: float, bins: int) -> int:
    if amount < SMALLEST:
        return 0
    place = 1 + int(math.log(amount / SMALLEST) / math.log(LARGEST / SMALLEST) * (bins - 1))
    return min(place, bins - 1)


def _said(sums: dict[str, float], rank: float | None, share: float | None) -> dict[str, Any]:
    labels = sums["labels"]

    def mean(name: str) -> float | None:
        return sums[name] / labels if labels else None

    def root(name: str) -> float | None:
        return (sums[name] / labels) ** 0.5 if labels else None

    return {
        "labels": int(labels),
        "mean": mean("actual"),
        "mean_score": mean("scores"),
        "rmse": root("squares"),
        "mae": mean("errors"),
        "running_mean_rmse": root("mean_squares"),
        "running_mean_mae": mean("mean_errors"),
        "bias": sums["scores"] / sums["actual"] if sums["actual"] else None,
        "spearman": rank,
        "top_tenth_share": share,
    }
