"""What every learner can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from state.models.sample import Sample


class Learner(Protocol):
    """Learns one model, a sample at a time. Learners name this class as their base, for the usual answers below.

    A vector has one number for each of the definition's `feature_names`, in their order; any of them may be infinite
    or no number at all, and nothing that comes out of a learner ever is.
    """

    def learn(self, sample: Sample) -> None:
        """Learn a sample; one that cannot be learned (a label that is no finite number) is counted as a problem."""

    def loss(self, sample: Sample) -> float | None:
        """Return how wrong the learner as it stands is about a sample; None while it cannot say.

        The lower is the better, and the mean is what counts: a refit is published when its mean is the lower.
        """

    def scorer(self) -> dict[str, Any] | None:
        """Return the JSON that `make_scorer` makes a scorer of; None while there is nothing to say."""

    def state(self) -> dict[str, Any] | None:
        """Return the JSON that `restore` goes on from exactly.

        None where there is no faithful JSON form: after a restart it learns again from the retained samples.
        """

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state; the learner has learned nothing yet."""

    def problems(self) -> Iterable[str]:
        """Return what is wrong with the samples learned so far, in words."""
        return ()

    def settle(self) -> None:
        """End the warm-up with what was learned so far: a refit learns from fewer samples than a warm-up may want."""
        del self  # what has no warm-up of its own has nothing to end

    def adopt(self, old: Learner) -> None:
        """Go on as the successor of a learner of the same model: clusters keep the ids that customers know."""
        del old
