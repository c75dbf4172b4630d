"""Learns a probability: River's logistic regression on scaled features, with AdaGrad."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from river import linear_model, optim

from state.models.learners.base import Learner
from state.models.learners.scaling import Scaling

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from river.optim.base import DictLike, VectorLike

    from rules.models.definition import Propensity
    from state.models.sample import Sample

RATE: Final = 0.05
"""AdaGrad's; on CDNOW 0.05 is the best of 0.01 to 0.5 by log loss (benchmarks/README.md)."""
LEAST: Final = 1e-6
"""A probability this far from 0 and 1 at least, where its logarithm is taken: scores have six decimals."""


class PropensityLearner(Learner):
    """`StandardScaler | LogisticRegression` with the scaled features clipped to ±8."""

    def __init__(self, definition: Propensity) -> None:
        """Begin with nothing learned."""
        self._warm_up = definition.warm_up
        self._scaling = Scaling(definition.feature_names)
        self._model = linear_model.LogisticRegression(optim.AdaGrad(RATE))
        self._labels = [0, 0]
        """Of 0 and of 1, how many were learned."""
        self._refused = 0

    def learn(self, sample: Sample) -> None:
        """Learn a sample; its label is 0 or 1."""
        if sample.y not in (0, 1):
            self._refused += 1
            return
        self._scaling.learn(sample.x)
        self._model.learn_one(self._scaling.scaled(sample.x), sample.y)
        self._labels[int(sample.y)] += 1

    def predict(self, x: Sequence[float]) -> float:
        """Return the probability as the model stands."""
        probability: float = self._model.predict_proba_one(self._scaling.scaled(x))[True]
        return float(probability)

    def loss(self, sample: Sample) -> float | None:
        """Return the log loss."""
        return None if sample.y is None or not sum(self._labels) else log_loss(sample.y, self.predict(sample.x))

    def scorer(self) -> dict[str, Any] | None:
        """Return means, sds, weights and intercept; None before `warm_up` labels."""
        if sum(self._labels) < self._warm_up:
            return None
        return {
            "kind": "propensity",
            "names": list(self._scaling.names),
            "means": self._scaling.means(),
            "sds": self._scaling.sds(),
            "weights": self._in_order(self._model.weights),
            "intercept": float(self._model.intercept),
        }

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        return {
            "labels": list(self._labels),
            "refused": self._refused,
            "scaling": self._scaling.state(),
            "weights": self._in_order(self._model.weights),
            "intercept": float(self._model.intercept),
            "g2": self._in_order(self._model.optimizer.g2),
            "iterations": self._model.optimizer.n_iterations,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        names = self._scaling.names
        self._labels = list(state["labels"])
        self._refused = state["refused"]
        self._scaling.restore(state["scaling"])
        self._model.optimizer = _Put(dict(zip(names, state["weights"], strict=True)))
        self._model.learn_one(dict.fromkeys(names, 0.0), 0)
        self._model.intercept = state["intercept"]
        optimizer = optim.AdaGrad(RATE)
        optimizer.g2.update(zip(names, state["g2"], strict=True))
        optimizer.n_iterations = state["iterations"]
        self._model.optimizer = optimizer

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the samples, in words."""
        zeros, ones = self._labels
        if self._refused:
            yield f"{self._refused:,} samples have a label that is neither 0 nor 1 and were not learned"
        if max(zeros, ones) > 1 and not min(zeros, ones):
            yield (
                f"every one of {zeros + ones:,} labels is {int(ones > 0)}: there is nothing to tell apart; look at the "
                "target, its event's name and its time"
            )
        yield from self._scaling.problems()

    def _in_order(self, by_name: dict[str, float]) -> list[float]:
        return [float(by_name.get(name, 0.0)) for name in self._scaling.names]


class _Put(optim.base.Optimizer):
    """Sets weights in place of moving them: River has no other public way to give a linear model its weights back."""

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__(0.0)
        self._put = weights

    def step(self, w: DictLike | VectorLike, g: DictLike | VectorLike) -> DictLike | VectorLike:
        del g
        for name, weight in self._put.items():
            w[name] = weight
        return w


def log_loss(y: float, probability: float) -> float:
    """Return -ln of the probability given to what came true, the probability kept a millionth from 0 and 1."""
    given = probability if y > 0 else 1 - probability
    return -math.log(min(max(given, LEAST), 1 - LEAST))
