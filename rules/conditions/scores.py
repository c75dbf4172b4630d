"""`score`, `cluster`: what an online model says of the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from rules.comparisons import Key, Model, NumberComparison, describe, describe_words, operators, value_test
from rules.conditions.base import Binder, Check, Condition, Customer, Leaf, Verdict
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class ModelScore(NumberComparison):
    """Which model, and what its score must be."""

    model: Key = Field(description="a model's key")

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if not operators(self):
            message = "says nothing of the score; write a comparison, like gte: 0.5"
            raise ValueError(message)
        return self


class ModelCluster(Model):
    """Which model, and which of its clusters."""

    model: Key = Field(description="a model's key")
    is_: str = Field(alias="is", min_length=1, description="a cluster's label")


class Score(Condition):
    """The model's newest score for the customer meets the comparison; no score yet: false."""

    score: ModelScore

    def models(self) -> Sequence[str]:
        """Return the model asked."""
        return [self.score.model]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the newest score."""
        binder.read_model(self.score.model)
        ops = operators(self.score)
        return ModelCheck(
            f"{path}.score",
            describe(ops),
            self.score.model,
            value_test(ops),
            f"score {self.score.model} {describe_words(ops)}",
        )


class Cluster(Condition):
    """The model's newest cluster for the customer is this one."""

    cluster: ModelCluster

    def models(self) -> Sequence[str]:
        """Return the model asked."""
        return [self.cluster.model]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the newest cluster."""
        binder.read_model(self.cluster.model)
        label = self.cluster.is_
        return ModelCheck(
            f"{path}.cluster",
            f"is {label}",
            self.cluster.model,
            value_test({"in": binder.clusters(self.cluster.model, label)}),
            f"cluster {self.cluster.model} is {label}",
        )


class ModelCheck(Leaf):
    """The check of what a model last said."""

    __slots__ = ("model", "test", "text")

    def __init__(self, path: str, wanted: str, model: str, test: Any, text: str) -> None:
        """Keep which model, and what it must have said."""
        super().__init__(path, wanted)
        self.model = model
        self.test = test
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the truth; it turns only when the model says something new."""
        del t
        said = customer.scores.get(self.model)
        return (said is not None and self.test(said[0])), NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return what the model last said."""
        del t
        said = customer.scores.get(self.model)
        if said is None:
            return None, f"{self.text} (no score yet)"
        return said[0], f"{self.text} ({said[0]}, version {said[1]})"

    def explain(self, customer: Customer, t: int) -> Iterator[dict[str, Any]]:
        """Yield the one entry of `because`, with the model and the version that said it."""
        for entry in super().explain(customer, t):
            said = customer.scores.get(self.model)
            yield entry | {"model": self.model, "version": None if said is None else said[1]}
