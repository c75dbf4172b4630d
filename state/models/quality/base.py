"""How good a model's scores were, measured as it learns: each label meets the score given when its sample was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from state.models.learners.base import Learner
    from state.models.sample import Sample


class Quality(Protocol):
    """Measures one model. Those that measure name this class as their base."""

    def follow(self, learner: Learner) -> None:
        """Take the learner whose model is measured: once at the start, and again after a refit."""
        del learner

    def add(self, sample: Sample) -> None:
        """Take a sample before it is learned; one without a score is only counted."""

    def metrics(self) -> dict[str, Any]:
        """Return JSON for people."""

    def state(self) -> dict[str, Any]:
        """Return the JSON that `restore` goes on from exactly."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state; nothing was added yet."""
