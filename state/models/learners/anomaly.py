"""Learns how unusual a customer is: River's half-space trees over features scaled as they are learned."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from river.anomaly import HalfSpaceTrees

from state.models.learners.base import Learner
from state.models.learners.scaling import Scaling
from state.models.packed import pack_floats, pack_wholes
from state.models.scale import CLIP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import Anomaly
    from state.models.sample import Sample

TREES: Final = 10
HEIGHT: Final = 8
WINDOW: Final = 250
"""Samples after which the masses they made are those that scores are read from."""
RECENT: Final = 5_000
LEAST_RECENT: Final = 100
"""A share of fewer is none: the oddest hundredth needs a hundred."""


class AnomalyLearner(Learner):
    """`StandardScaler | HalfSpaceTrees`, the scaled features clipped to ±8, which are the trees' limits.

    With River's default limits, 0 to 1, most z-scores lie outside of what the trees cut up (on planted outliers the AUC
    is 0.74 against 0.999). The trees are drawn from the definition's hash: the same samples give the same model.
    There is no faithful JSON form (the masses in the making are half of it), so `state` is None: after a restart it
    learns again from the retained samples.
    """

    def __init__(self, definition: Anomaly) -> None:
        """Begin with nothing learned."""
        self._warm_up = definition.warm_up
        self._names = definition.feature_names
        self._scaling = Scaling(self._names)
        self._trees = HalfSpaceTrees(
            n_trees=TREES,
            height=HEIGHT,
            window_size=WINDOW,
            limits=dict.fromkeys(self._names, (-CLIP, CLIP)),
            seed=int(definition.definition or "0", 16),
        )
        self._learned = 0
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._splits: list[dict[str, str]] = []

    def learn(self, sample: Sample) -> None:
        """Learn a sample; its raw score before that joins the recent ones."""
        z = self._scaling.scaled(sample.x)
        if self._learned >= WINDOW:
            self._recent.append(self._trees.score_one(z))
        self._scaling.learn(sample.x)
        self._trees.learn_one(z)
        self._learned += 1

    def raw(self, x: Sequence[float]) -> float:
        """Return the trees' own score as they stand, between 0 (usual) and 1; 0 before the first window is full."""
        return float(self._trees.score_one(self._scaling.scaled(x)))

    def loss(self, sample: Sample) -> None:
        """Return None: nobody says what was unusual, so there is nothing to be wrong about."""
        del sample

    def scorer(self) -> dict[str, Any] | None:
        """Return the JSON that `TreesScorer` documents; None before `warm_up` samples, and before 350."""
        if self._learned < self._warm_up or len(self._recent) < LEAST_RECENT:
            return None
        if not self._splits:
            self._splits = [self._split(_level_order(tree)) for tree in self._trees.trees]
        masses = [pack_wholes(node.r_mass for node in _level_order(tree)) for tree in self._trees.trees]
        return {
            "kind": "anomaly",
            "names": list(self._names),
            "means": self._scaling.means(),
            "sds": self._scaling.sds(),
            "height": HEIGHT,
            "window": WINDOW,
            "trees": [{**split, "masses": mass} for split, mass in zip(self._splits, masses, strict=True)],
            "recent": pack_floats(sorted(self._recent)),
        }

    def state(self) -> None:
        """Return None: see the class."""

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing: there is no state to take over."""
        del state

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the samples, in words."""
        yield from self._scaling.problems()

    def _split(self, nodes: list[Any]) -> dict[str, str]:
        places = {name: place for place, name in enumerate(self._names)}
        inner = nodes[: len(nodes) // 2]
        return {
            "features": pack_wholes(places[node.feature] for node in inner),
            "thresholds": pack_floats(node.threshold for node in inner),
        }


def _level_order(tree: Any) -> list[Any]:
    """Return a tree's nodes level by level, the lower side first; public parts of River's alone."""
    level, nodes = [tree], [tree]
    for _ in range(HEIGHT):
        level = [child for node in level for child in node.children]
        nodes += level
    return nodes
