"""Linear models in force: a weighted sum of scaled features, as a probability or as an amount."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from state.models.scale import CLIP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from state.models.scorer import Said

DIGITS: Final = 6
"""Decimals of a score: a millionth is less than any model knows, and what is stored stays short."""

LEAST: Final = 1e-6
"""A probability is kept this far from 0 and 1 where its logarithm is taken: scores have six decimals."""


class Linear:
    """The link of `intercept` + Σ weight · scaled feature, the features scaled by their means and sds, clipped to ±8.

    A feature that never varied (its sd is 0) and a value that is no number count as the mean.
    """

    __slots__ = ("_intercept", "_link", "_terms", "titles", "version")

    def __init__(self, version: int, frozen: Mapping[str, Any], link: Callable[[float], float]) -> None:
        """Take what a learner's `scorer()` has: `means`, `sds`, `weights` (one a feature each) and `intercept`."""
        self.version = version
        self.titles: Mapping[str, str] = {}
        self._link = link
        self._intercept: float = frozen["intercept"]
        self._terms = tuple(
            (mean, 1 / sd if sd > 0 else 0.0, weight)
            for mean, sd, weight in zip(frozen["means"], frozen["sds"], frozen["weights"], strict=True)
        )

    def score(self, x: Sequence[float], before: Said | None) -> float:
        """Return the score to six decimals; `before` decides nothing."""
        del before
        return round(self.exact(x), DIGITS)

    def exact(self, x: Sequence[float]) -> float:
        """Return the score before it is rounded."""
        total = self._intercept
        for value, (mean, per_sd, weight) in zip(x, self._terms, strict=True):
            z = (value - mean) * per_sd
            if -CLIP <= z <= CLIP:
                total += weight * z
            elif z > CLIP:
                total += weight * CLIP
            elif z < -CLIP:
                total -= weight * CLIP
        return self._link(total)


def sigmoid(logit: float) -> float:
    """Return the probability of log-odds."""
    if logit >= 0:
        return 1 / (1 + math.exp(-logit))
    odds = math.exp(max(logit, -700.0))
    return odds / (1 + odds)


def log_loss(y: float, probability: float) -> float:
    """Return -ln of the probability given to what came true, the probability kept a millionth from 0 and 1."""
    given = probability if y > 0 else 1 - probability
    return -math.log(min(max(given, LEAST), 1 - LEAST))


def not_negative(amount: float) -> float:
    """Return the amount, 0 where it is below."""
    return max(amount, 0.0)
