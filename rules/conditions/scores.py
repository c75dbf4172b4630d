"""`score`, `cluster`: what an online model says of the customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from rules.checks.scores import ModelCheck
from rules.comparisons import Key, Model, NumberComparison, describe, describe_words, operators
from rules.conditions.base import Binder, Condition
from rules.matching import value_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check


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
