"""Learning a model anew from its newest samples, when it drifts."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from state.models.learners import make_learner

if TYPE_CHECKING:
    from rules.models.definition import AnyModel
    from state.models.learners.base import Learner
    from state.models.sample import Sample

JUDGED: Final = 10
"""The newest of so many parts of the window decides between the old learner and the new one."""


class Kept(NamedTuple):
    """A sample, its offset, and the loss of the learner then in force just before it learned it (None: not known)."""

    sample: Sample
    offset: int
    loss: float | None


class Refit:
    """The newest samples of a model with `on_drift: refit`, and what is learned anew from them."""

    def __init__(self, definition: AnyModel) -> None:
        """Begin with no samples."""
        self._definition = definition
        self._kept: deque[Kept] = deque(maxlen=definition.refit_window)

    @property
    def first_offset(self) -> int | None:
        """Return the offset of the oldest sample kept; None where there is none."""
        return self._kept[0].offset if self._kept else None

    def keep(self, sample: Sample, offset: int, loss: float | None) -> None:
        """Keep a sample, and forget the oldest beyond `refit_window`."""
        self._kept.append(Kept(sample, offset, loss))

    def better(self, old: Learner) -> Learner | None:
        """Return a learner of the kept samples if it does better than the old one on their newest tenth, else None.

        Both are judged alike: by each sample's loss just before it was learned. Where the old one's is not known any
        more, since it was learned before a restart, its loss now stands in, which can only flatter the old one.
        """
        new = make_learner(self._definition)
        new.adopt(old)
        judged = len(self._kept) // JUDGED
        losses: list[tuple[float, float]] = []
        for index, (sample, _, old_loss) in enumerate(self._kept):
            if index == len(self._kept) - judged:
                new.settle()
            if index >= len(self._kept) - judged:
                new_loss = new.loss(sample)
                given = old.loss(sample) if old_loss is None else old_loss
                if new_loss is not None and given is not None:
                    losses.append((given, new_loss))
            new.learn(sample)
        if not losses or sum(given - new_loss for given, new_loss in losses) <= 0:
            return None
        return new
