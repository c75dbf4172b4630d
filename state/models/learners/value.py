"""Learns an amount: a linear model of the mean, never of its logarithm, on scaled features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from state.models.learners.base import Learner
from state.models.learners.bayes import Bayes
from state.models.learners.scaling import LARGEST, Scaling
from state.models.linear import not_negative

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import Value
    from state.models.sample import Sample

ONE: Final = ""
"""The feature that is always 1; no feature of a definition has an empty name."""


class ValueLearner(Learner):
    """Bayesian linear regression: squared loss, so that it is the mean that is learned, and no rate that can be wrong.

    Money needs no scaling of y: the weights are linear in it, and no step's size depends on it.
    """

    def __init__(self, definition: Value) -> None:
        """Begin with nothing learned."""
        self._warm_up = definition.warm_up
        self._scaling = Scaling(definition.feature_names)
        self._model = Bayes((*definition.feature_names, ONE))
        self._labels = 0
        self._not_zero = 0
        self._refused = 0

    def learn(self, sample: Sample) -> None:
        """Learn a sample; its label is an amount."""
        y = sample.y
        if y is None or not -LARGEST <= y <= LARGEST:
            self._refused += 1
            return
        self._scaling.learn(sample.x)
        self._model.learn(self._row(sample.x), y)
        self._labels += 1
        self._not_zero += y != 0

    def predict(self, x: Sequence[float]) -> float:
        """Return the mean as the model stands, 0 where it is below."""
        return not_negative(self._model.predict(self._row(x)))

    def loss(self, sample: Sample) -> float | None:
        """Return the squared error."""
        return None if sample.y is None or not self._labels else (sample.y - self.predict(sample.x)) ** 2

    def scorer(self) -> dict[str, Any] | None:
        """Return means, sds, weights and intercept; None before `warm_up` labels."""
        if self._labels < self._warm_up:
            return None
        *weights, intercept = self._model.weights()
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
            "not_zero": self._not_zero,
            "refused": self._refused,
            "scaling": self._scaling.state(),
            "model": self._model.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._labels = state["labels"]
        self._not_zero = state["not_zero"]
        self._refused = state["refused"]
        self._scaling.restore(state["scaling"])
        self._model.restore(state["model"])

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the samples, in words."""
        if self._refused:
            yield f"{self._refused:,} samples have a label that is no finite number and were not learned"
        if self._labels > 1 and not self._not_zero:
            yield f"every one of {self._labels:,} labels is 0: look at the target, its event, its path and its time"
        yield from self._scaling.problems()

    def _row(self, x: Sequence[float]) -> dict[str, float]:
        row = self._scaling.scaled(x)
        row[ONE] = 1.0
        return row
