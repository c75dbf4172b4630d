"""`score`, `cluster`: what an online model says of the customer."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.features import NEVER


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

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return the one entry of `because`, with the model and the version that said it."""
        said = customer.scores.get(self.model)
        version = None if said is None else said[1]
        return [entry | {"model": self.model, "version": version} for entry in super().explain(customer, t)]
