"""Learns a probability: River's logistic regression on scaled features, with AdaGrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from river import linear_model, optim

from state.models.learners.base import Learner
from state.models.learners.scaling import Scaling
from state.models.learners.weights import in_order, put_weights
from state.models.linear import log_loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import Propensity
    from state.models.sample import Sample

RATE: Final = 0.05
"""AdaGrad's. On CDNOW 0.02, 0.05, 0.1 and 0.2 give, at purchases, a log loss of 0.599, 0.596, 0.596 and 0.599."""
SLOWEST: Final = 0.003
FASTEST: Final = 0.5


class InterceptRate(optim.base.Scheduler):
    """The size of a step of the intercept: Newton's for a model of the base rate alone, never below 0.003.

    River's constant 0.01 takes thousands of labels to reach a base rate of 1 %: until then every score is too high.
    The floor lets a base rate that moves be followed for ever.
    """

    def __init__(self, labels: list[int]) -> None:
        """`labels` are the learner's counts of 0 and 1, as they grow."""
        self._labels = labels

    def get(self, t: int) -> float:
        """Return 1 / (n p (1 - p)) of the labels so far, each counted once more, between the bounds."""
        del t
        zeros, ones = self._labels
        return max(SLOWEST, min(FASTEST, (zeros + ones + 2) / ((zeros + 1) * (ones + 1))))


class PropensityLearner(Learner):
    """`StandardScaler | LogisticRegression` with the scaled features clipped to ±8."""

    def __init__(self, definition: Propensity) -> None:
        """Begin with nothing learned."""
        self._warm_up = definition.warm_up
        self._scaling = Scaling(definition.feature_names)
        self._labels = [0, 0]
        """Of 0 and of 1, how many were learned."""
        self._optimizer = optim.AdaGrad(RATE)
        self._model = linear_model.LogisticRegression(self._optimizer, intercept_lr=InterceptRate(self._labels))
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
        if sample.y not in (0, 1) or not sum(self._labels):
            return None
        return log_loss(sample.y, self.predict(sample.x))

    def scorer(self) -> dict[str, Any] | None:
        """Return means, sds, weights and intercept; None before `warm_up` labels."""
        if sum(self._labels) < self._warm_up:
            return None
        return {
            "kind": "propensity",
            "names": list(self._scaling.names),
            "means": self._scaling.means(),
            "sds": self._scaling.sds(),
            "weights": in_order(self._model.weights, self._scaling.names),
            "intercept": float(self._model.intercept),
        }

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        return {
            "labels": list(self._labels),
            "refused": self._refused,
            "scaling": self._scaling.state(),
            "weights": in_order(self._model.weights, self._scaling.names),
            "intercept": float(self._model.intercept),
            "g2": in_order(self._optimizer.g2, self._scaling.names),
            "iterations": self._optimizer.n_iterations,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        names = self._scaling.names
        self._labels[:] = state["labels"]
        self._refused = state["refused"]
        self._scaling.restore(state["scaling"])
        put_weights(self._model, names, state["weights"])
        self._model.intercept = state["intercept"]
        self._optimizer.g2.update(zip(names, state["g2"], strict=True))
        self._optimizer.n_iterations = state["iterations"]

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
