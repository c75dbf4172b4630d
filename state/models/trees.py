"""Frozen half-space trees: how unusual a customer is, as the share of recent customers who were less so."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from state.models.packed import unpack_floats, unpack_wholes
from state.models.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from state.models.scorer import Said

DIGITS: Final = 6
CROWDED: Final = 0.1
"""A node with less than this part of a window is not looked into further: Tan, Ting and Liu's sizeLimit."""


class TreesScorer:
    """One version of an anomaly model; scoring leaves it as it is.

    Its JSON, as the learner makes it, is `{means, sds, height, window, trees: [{features, thresholds, masses}],
    recent}`. A tree is complete and in level order, node i having the children 2i + 1 and 2i + 2: `features` (places in
    the vector) and `thresholds` are the inner nodes', `masses`, how many samples of a window came by, are all nodes'.
    `recent` are the raw scores of recent samples, ascending. The numbers are packed (`state.models.packed`).

    Source: Tan, Ting and Liu, Fast anomaly detection for streaming data (2011), as River has it.
    """

    def __init__(self, version: int, scorer: Mapping[str, Any]) -> None:
        """Unpack the trees."""
        self.version = version
        self.titles: Mapping[str, str] = {}
        self._scale = Scale(scorer["means"], scorer["sds"])
        self._height: int = scorer["height"]
        self._crowded = CROWDED * scorer["window"]
        self._most: int = len(scorer["trees"]) * scorer["window"] * (2 ** (self._height + 1) - 1)
        self._trees = [
            (unpack_wholes(tree["features"]), unpack_floats(tree["thresholds"]), unpack_wholes(tree["masses"]))
            for tree in scorer["trees"]
        ]
        self._recent = unpack_floats(scorer["recent"])

    def score(self, x: Sequence[float], before: Said | None) -> float:
        """Return the share of recent raw scores that lie below this one, to six decimals; `before` decides nothing."""
        del before
        return round(bisect_left(self._recent, self.raw(x)) / len(self._recent), DIGITS)

    def raw(self, x: Sequence[float]) -> float:
        """Return the trees' own score, between 0 (usual) and 1, the very number River's `score_one` gives.

        Each tree adds the masses on the way of the vector, doubled at each level, down to the first sparse node.
        """
        z = self._scale.scaled(x)
        height, crowded = self._height, self._crowded
        total = 0.0
        for features, thresholds, masses in self._trees:
            node, weight, mass = 0, 1, 0.0
            for _ in range(height):
                here = masses[node]
                mass += here * weight
                if here < crowded:
                    break
                node = 2 * node + (1 if z[features[node]] < thresholds[node] else 2)
                weight <<= 1
            else:
                mass += masses[node] * weight
            total += mass
        return 1 - total / self._most
