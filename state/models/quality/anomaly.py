"""Quality of anomaly scores. Nobody says what was unusual; but shares are to come true: a hundredth is over 0.99."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from state.models.quality.base import Quality
from state.models.quality.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from state.models.sample import Sample

WHYS: Final = ("event", "timer")
BINS: Final = 1_000


class AnomalyQuality(Quality):
    """The parts of scores from 0.9 and from 0.99 on, and how uneven all are, of event and timed samples apart."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._windows = {why: Window(1) for why in WHYS}
        self._counts = {why: [0] * BINS for why in WHYS}
        self._unscored = 0

    def add(self, sample: Sample) -> None:
        """Take a sample's score; one without is only counted."""
        if not isinstance(sample.score, float | int) or sample.why not in self._windows:
            self._unscored += 1
            return
        self._windows[sample.why].add(float(sample.score))
        self._counts[sample.why][_bin(sample.score)] += 1

    def metrics(self) -> dict[str, Any]:
        """Return {event, timer} of {recent, all} of measures, and the number of samples without a score.

        `over_90` and `over_99` are the parts of scores from 0.9 and 0.99 on, which are to be 0.1 and 0.01; `uneven` is
        the largest distance of their distribution from an even one (Kolmogorov's), 0 where all shares come true.
        """
        sides = {
            why: {"recent": _recent(self._windows[why].columns()[0]), "all": _said(np.array(self._counts[why]))}
            for why in WHYS
        }
        return {**sides, "unscored": self._unscored}

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        windows = {why: window.state() for why, window in self._windows.items()}
        counts = {why: list(counts) for why, counts in self._counts.items()}
        return {"windows": windows, "counts": counts, "unscored": self._unscored}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._unscored = state["unscored"]
        self._counts = {why: list(state["counts"][why]) for why in WHYS}
        for why, window in self._windows.items():
            window.restore(state["windows"][why])


def _bin(score: float) -> int:
    return min(max(int(score * BINS), 0), BINS - 1)


def _recent(scores: NDArray[np.float64]) -> dict[str, Any]:
    bins = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    return _said(np.bincount(bins, minlength=BINS))


def _said(counts: NDArray[np.int_]) -> dict[str, Any]:
    samples = int(counts.sum())
    if not samples:
        return {"samples": 0, "over_90": None, "over_99": None, "uneven": None}
    upto = np.cumsum(counts) / samples
    even = np.arange(1, BINS + 1) / BINS
    return {
        "samples": samples,
        "over_90": float(counts[BINS * 9 // 10 :].sum() / samples),
        "over_99": float(counts[BINS * 99 // 100 :].sum() / samples),
        "uneven": float(np.max(np.abs(upto - even))),
    }
