"""Learns an amount: a linear model of the mean, never of its logarithm, on scaled features."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from river import linear_model, optim
from river.utils import VectorDict

from state.models.learners.base import Learner
from state.models.learners.scaling import LARGEST, Scaling
from state.models.learners.weights import in_order, put_weights
from state.models.linear import not_negative

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import Value
    from state.models.sample import Sample

ONE: Final = ""
"""The feature that is always 1, whose weight is the intercept; no feature of a definition has an empty name."""
FIRST_RATE: Final = 0.05
SLOWEST: Final = 0.0005


class Rate(optim.base.Scheduler):
    """Adam's rate: 0.05 / √(samples + 1), never below 0.0005.

    Large at first, so that 500 labels are as good as a regression solved for them; then small, since a step takes a
    whole part of the rate whatever the error. The floor lets the model follow what moves: exact least squares over all
    that ever was (River's Bayesian linear regression) takes in CDNOW's silent customers for 3.6 times what they spend.
    """

    def get(self, t: int) -> float:
        """Return the rate of the step after `t` samples."""
        return max(SLOWEST, FIRST_RATE / math.sqrt(t + 1))


class ValueLearner(Learner):
    """`StandardScaler | LinearRegression`: squared loss, so that it is the mean that is learned, and Adam.

    Amounts are learned in their running root mean square, so that cents and dollars are learned alike: Adam's steps
    have a size of their own. The scaled features are clipped to ±8.
    """

    def __init__(self, definition: Value) -> None:
        """Begin with nothing learned."""
        self._warm_up = definition.warm_up
        self._scaling = Scaling(definition.feature_names)
        self._names = (*definition.feature_names, ONE)
        self._optimizer = optim.Adam(Rate())
        self._model = linear_model.LinearRegression(self._optimizer, intercept_lr=0.0)
        self._labels = 0
        self._squares = 0.0
        """The sum of the labels' squares."""
        self._refused = 0

    def learn(self, sample: Sample) -> None:
        """Learn a sample; its label is an amount."""
        y = sample.y
        if y is None or not -LARGEST <= y <= LARGEST:
            self._refused += 1
            return
        self._scaling.learn(sample.x)
        self._labels += 1
        self._squares += y * y
        self._model.learn_one(self._row(sample.x), y / (self._size or 1.0))

    def predict(self, x: Sequence[float]) -> float:
        """Return the mean as the model stands, 0 where it is below."""
        share: float = self._model.predict_one(self._row(x))
        return not_negative(float(share) * self._size)

    def loss(self, sample: Sample) -> float | None:
        """Return the squared error."""
        y = sample.y
        if y is None or not -LARGEST <= y <= LARGEST or not self._labels:
            return None
        return (y - self.predict(sample.x)) ** 2

    def scorer(self) -> dict[str, Any] | None:
        """Return means, sds, weights and intercept, in the amount's unit; None before `warm_up` labels."""
        if self._labels < self._warm_up:
            return None
        *weights, intercept = (weight * self._size for weight in in_order(self._model.weights, self._names))
        return {
            "kind": "value",
            "names": list(self._scaling.names),
            "means": self._scaling.means(),
            "sds": self._scaling.sds(),
            "weights": weights,
            "intercept": intercept,
        }

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        return {
            "labels": self._labels,
            "squares": self._squares,
            "refused": self._refused,
            "scaling": self._scaling.state(),
            "weights": in_order(self._model.weights, self._names),
            "m": in_order(self._optimizer.m, self._names),
            "v": in_order(self._optimizer.v, self._names),
            "iterations": self._optimizer.n_iterations,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._labels, self._squares, self._refused = state["labels"], state["squares"], state["refused"]
        self._scaling.restore(state["scaling"])
        put_weights(self._model, self._names, state["weights"])
        self._optimizer.n_iterations = state["iterations"]
        if state["iterations"]:
            self._optimizer.m = VectorDict(dict(zip(self._names, state["m"], strict=True)))
            self._optimizer.v = VectorDict(dict(zip(self._names, state["v"], strict=True)))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the samples, in words."""
        if self._refused:
            yield f"{self._refused:,} samples have a label that is no finite number and were not learned"
        if self._labels > 1 and not self._squares:
            yield f"every one of {self._labels:,} labels is 0: look at the target, its event, its path and its time"
        yield from self._scaling.problems()

    @property
    def _size(self) -> float:
        return math.sqrt(self._squares / self._labels) if self._labels else 0.0

    def _row(self, x: Sequence[float]) -> dict[str, float]:
        row = self._scaling.scaled(x)
        row[ONE] = 1.0
        return row
