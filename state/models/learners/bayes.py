"""River's Bayesian linear regression with a JSON form. River has none: its inside is read here, and nowhere else."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

import numpy as np
from river.linear_model import BayesianLinearRegression

if TYPE_CHECKING:
    from collections.abc import Sequence


class Bayes:
    """A linear model of the mean: the exact ridge regression of all that was learned, in O(features²) a sample.

    `names` are all features there will ever be, and the prior says that each weight is 0 give or take the spread of y
    (alpha = beta = 1: ridge with a penalty of 1).
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Begin with nothing learned."""
        self._names = tuple(names)
        self._model = BayesianLinearRegression()

    def learn(self, x: dict[str, float], y: float) -> None:
        """Learn one row."""
        self._model.learn_one(x, y)

    def predict(self, x: dict[str, float]) -> float:
        """Return the posterior mean of y."""
        return float(self._model.predict_one(x))

    def weights(self) -> list[float]:
        """Return the posterior mean of each weight, in the order of the names."""
        return [self.predict({name: 1.0}) for name in self._names]

    def state(self) -> dict[str, Any]:
        """Return the JSON form: the posterior covariance and the natural mean, as base64 of little-endian float64.

        They are all that learning and predicting read. Their spare rows come along: without them sums would be taken in
        another order, and learning would go on a rounding error beside.
        """
        model = self._model
        return {
            "names": list(model._idx),  # noqa: SLF001 - see the module
            "covariance": _packed(model._ss_inv_arr),  # noqa: SLF001
            "natural_mean": _packed(model._eta_arr),  # noqa: SLF001
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        model = self._model
        mean = _unpacked(state["natural_mean"])
        size = len(mean)
        covariance = _unpacked(state["covariance"]).reshape(size, size)
        model._idx = {name: index for index, name in enumerate(state["names"])}  # noqa: SLF001
        model._ss_inv_arr = np.asfortranarray(covariance)  # noqa: SLF001
        model._ss_arr = np.linalg.inv(covariance) if size else covariance  # noqa: SLF001 - written, never read
        model._eta_arr = mean  # noqa: SLF001
        model._cap = size  # noqa: SLF001
        model._m_dirty = True  # noqa: SLF001


def _packed(array: Any) -> str:
    return b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode()


def _unpacked(text: str) -> Any:
    return np.frombuffer(b64decode(text), dtype="<f8").copy()
