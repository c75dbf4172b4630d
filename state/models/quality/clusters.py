"""Quality of clusters: how near customers are to a centre, how clearly to that one, and how often they change it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from state.models.learners.clusters import ClustersLearner
from state.models.learners.remarks import SMALL
from state.models.quality.base import Quality
from state.models.quality.moves import Moves
from state.models.quality.window import Window

if TYPE_CHECKING:
    from state.models.learners.base import Learner
    from state.models.sample import Sample

WHYS: Final = ("event", "timer")


class ClustersQuality(Quality):
    """Distortion, simplified silhouette and sizes, of event and timed samples apart; moves a week.

    Distances are to the centres just before a sample moves them, in the model's scale; sizes are of what was said.
    """

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._learner: ClustersLearner | None = None
        self._sides = {why: _Side() for why in WHYS}
        self._moves = Moves()
        self._unscored = 0

    def follow(self, learner: Learner) -> None:
        """Take the learner whose centres are measured to."""
        if isinstance(learner, ClustersLearner):
            self._learner = learner

    def add(self, sample: Sample) -> None:
        """Measure what was said of a sample; one of which nothing was said is only counted."""
        distances = None if self._learner is None else self._learner.distances(sample.x)
        if not isinstance(sample.score, str) or distances is None or sample.why not in self._sides:
            self._unscored += 1
            return
        number = int(sample.score.removeprefix("c"))
        self._sides[sample.why].add(*distances, number)
        self._moves.see(sample.customer, sample.at, number)

    def metrics(self) -> dict[str, Any]:
        """Return {event, timer} of {recent, all} of measures, the moves a customer and week, and samples unsaid of."""
        return {
            **{why: side.metrics() for why, side in self._sides.items()},
            "moves_a_week": self._moves.metrics(),
            "unscored": self._unscored,
        }

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        sides = {why: side.state() for why, side in self._sides.items()}
        return {**sides, "moves": self._moves.state(), "unscored": self._unscored}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._unscored = state["unscored"]
        self._moves.restore(state["moves"])
        for why, side in self._sides.items():
            side.restore(state[why])


class _Side:
    """Samples taken for one reason: the newest exactly, all of them in sums."""

    def __init__(self) -> None:
        self._window = Window(3)
        self._squares = 0.0
        self._silhouettes = 0.0
        self._sizes: Counter[int] = Counter()

    def add(self, nearest: float, second: float, cluster: int) -> None:
        self._window.add(nearest, second, cluster)
        self._squares += nearest**2
        self._silhouettes += (second - nearest) / second if second > 0 else 0.0
        self._sizes[cluster] += 1

    def metrics(self) -> dict[str, Any]:
        nearest, second, clusters = self._window.columns()
        silhouettes = np.divide(second - nearest, second, out=np.zeros_like(second), where=second > 0)
        recent = Counter(int(cluster) for cluster in clusters.tolist())
        return {
            "recent": _said(float(np.sum(nearest**2)), float(np.sum(silhouettes)), recent),
            "all": _said(self._squares, self._silhouettes, self._sizes),
        }

    def state(self) -> dict[str, Any]:
        return {
            "window": self._window.state(),
            "squares": self._squares,
            "silhouettes": self._silhouettes,
            "sizes": [[cluster, size] for cluster, size in self._sizes.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._window.restore(state["window"])
        self._squares = state["squares"]
        self._silhouettes = state["silhouettes"]
        self._sizes = Counter(dict(state["sizes"]))


def _said(squares: float, silhouettes: float, sizes: Counter[int]) -> dict[str, Any]:
    samples = sizes.total()
    shares = {f"c{cluster}": sizes[cluster] / samples for cluster in sorted(sizes)}
    return {
        "samples": samples,
        "distortion": squares / samples if samples else None,
        "silhouette": silhouettes / samples if samples else None,
        "sizes": shares,
        "small": [cluster for cluster, share in shares.items() if share < SMALL],
    }
