"""One model's whole learning: each sample is measured, watched for drift and learned, once; versions come out."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from rules.errors import StateError
from state.models.drift import Drift, DriftEvent
from state.models.learners import make_learner
from state.models.quality import make_quality
from state.models.refit import Refit
from state.models.snapshot import Snapshot

if TYPE_CHECKING:
    from rules.models.definition import AnyModel
    from state.models.sample import Sample

SNAPSHOT_EVERY: Final = 500
NOWHERE: Final = -1
"""The offset before the first."""
CUSTOMERS_KEPT: Final = 1_000
FEW_SAMPLES: Final = 10
LARGEST_SHARE: Final = 0.1
TRIES: Final = 4
"""A refit is tried again so often, until the window holds only what came after the drift: when a drift is noticed, most
of the window is older."""

Source = tuple[int, int, int]
"""Where a sample was released: partition, number of the commit, and its place among the samples of that commit."""


class Marks:
    """The highest source seen of each partition."""

    def __init__(self) -> None:
        """Begin with none."""
        self._highest: dict[int, tuple[int, int]] = {}

    def is_new(self, source: Source) -> bool:
        """Return whether a source is above all of its partition so far, and keep it if so."""
        partition, *place = source
        if tuple(place) <= self._highest.get(partition, (NOWHERE, NOWHERE)):
            return False
        self._highest[partition] = (place[0], place[1])
        return True

    def state(self) -> dict[str, list[int]]:
        """Return the JSON form."""
        return {str(partition): list(place) for partition, place in self._highest.items()}

    def restore(self, state: dict[str, list[int]]) -> None:
        """Take over a state."""
        self._highest = {int(partition): (place[0], place[1]) for partition, place in state.items()}


class Trainer:
    """Learns one model from the samples of a topic, in its order.

    `next_offset` is where the topic is to be read from: after a restore that is where the snapshot ends, or earlier
    where the kind has to learn again, or has to fill the window of its refits. What lies before the snapshot's end is
    neither learned twice nor reported again.
    """

    def __init__(self, definition: AnyModel, *, snapshot_every: int = SNAPSHOT_EVERY) -> None:
        """Begin with nothing learned; a snapshot is `due` after so many samples."""
        self.definition = definition
        self.samples = 0
        self.next_offset = 0
        self._every = snapshot_every
        self._learner = make_learner(definition)
        self._quality = make_quality(definition)
        self._quality.follow(self._learner)
        self._drift = Drift(definition)
        self._refit = Refit(definition) if definition.on_drift == "refit" else None
        self._again: list[int] = []
        """The numbers of samples at which a refit is tried again."""
        self._marks = Marks()
        self._marks_before = Marks()
        """Of samples that are read again only to fill the window of the refits."""
        self._customers: deque[str] = deque(maxlen=CUSTOMERS_KEPT)
        self._version = 0
        self._offset = NOWHERE
        self._resumed = NOWHERE
        """The last offset of the snapshot gone on from: up to it all drift was reported."""
        self._known = NOWHERE
        """The same where its state could be taken over: up to it all was learned."""
        self._fresh = 0
        """Samples learned since the last snapshot."""

    def learn(self, sample: Sample, *, source: Source, offset: int) -> list[DriftEvent]:
        """Take a sample and return the drifts noticed with it.

        One of another model or definition, and one that was learned before, changes nothing but `next_offset`.
        """
        mine = (sample.model, sample.definition) == (self.definition.key, self.definition.definition)
        again = offset <= self._known
        self.next_offset = max(self.next_offset, offset + 1)
        if not mine:
            return []
        if again:
            if self._refit is not None and self._marks_before.is_new(source):
                self._refit.keep(sample, offset, None)
            return []
        if not self._marks.is_new(source):
            return []
        return self._learn(sample, offset)

    @property
    def due(self) -> bool:
        """Return whether a snapshot is to be made: so many samples were learned since the last one.

        Never while learning again what a snapshot had learned: it would be an older one.
        """
        return self._fresh >= self._every and self._offset > self._resumed

    @property
    def fresh(self) -> int:
        """Return how many samples no snapshot has yet; none while learning again what one had."""
        return self._fresh if self._offset > self._resumed else 0

    def snapshot(self, created_at_ms: int) -> Snapshot:
        """Return the next version of the model."""
        self._version += 1
        self._fresh = 0
        learner = {
            "state": self._learner.state(),
            "marks": self._marks.state(),
            "quality": self._quality.state(),
            "drift": self._drift.state(),
            "window_from": None if self._refit is None else self._refit.first_offset,
            "again": list(self._again),
        }
        return Snapshot(
            self.definition.key,
            self.definition.definition,
            self._version,
            self.samples,
            self._offset,
            created_at_ms,
            self._learner.scorer(),
            learner,
            self.metrics(),
        )

    def metrics(self) -> dict[str, Any]:
        """Return for people: the quality, the drifts, and what is wrong with the samples, in words."""
        return {
            "quality": self._quality.metrics(),
            "drift": self._drift.metrics(),
            "problems": [*self._learner.problems(), *self._one_customer()],
        }

    @classmethod
    def restore(cls, definition: AnyModel, snapshot: Snapshot, *, snapshot_every: int = SNAPSHOT_EVERY) -> Trainer:
        """Return a trainer that goes on after a snapshot.

        Raises
        ------
        StateError
            if the snapshot is of another model or definition, or its state is none.
        """
        if (snapshot.model, snapshot.definition) != (definition.key, definition.definition):
            message = (
                f"model {definition.key}: a snapshot of {snapshot.model}, definition {snapshot.definition}, is none of "
                f"definition {definition.definition}; an edited model begins anew"
            )
            raise StateError(message)
        trainer = cls(definition, snapshot_every=snapshot_every)
        try:
            trainer._take_over(snapshot)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            message = (
                f"model {definition.key}: version {snapshot.version} has no state to go on from ({error!r}); write an "
                "empty value under its key in the topic models, and it learns anew"
            )
            raise StateError(message) from error
        return trainer

    def _take_over(self, snapshot: Snapshot) -> None:
        self._version = snapshot.version
        self._resumed = snapshot.offset
        state = snapshot.learner
        if state["state"] is None:
            return
        self._learner.restore(state["state"])
        self._quality.restore(state["quality"])
        self._drift.restore(state["drift"])
        self._marks.restore(state["marks"])
        self.samples = snapshot.samples
        self._offset = self._known = snapshot.offset
        self._again = list(state.get("again", ()))
        window_from = state["window_from"]
        self.next_offset = snapshot.offset + 1 if window_from is None else window_from

    def _learn(self, sample: Sample, offset: int) -> list[DriftEvent]:
        self._offset = offset
        self.samples += 1
        self._fresh += 1
        self._customers.append(sample.customer)
        self._quality.add(sample)
        events = list(self._drift.update(sample, self._learner, self.samples))
        if self._refit is not None:
            self._refit.keep(sample, offset, self._learner.loss(sample))
        self._learner.learn(sample)
        if self._refit is not None:
            events = self._learn_anew(self._refit, events)
        return events if offset > self._resumed else []

    def _learn_anew(self, refit: Refit, events: list[DriftEvent]) -> list[DriftEvent]:
        """Learn anew at a drift, and again while the window turns over; what comes of it is used where it is better."""
        if events:
            window = self.definition.refit_window
            self._again = [self.samples + window * part // TRIES for part in range(1, TRIES + 1)]
        elif self._again and self.samples >= self._again[0]:
            del self._again[0]
        else:
            return events
        better = refit.better(self._learner)
        if better is not None:
            self._learner = better
            self._quality.follow(better)
            self._fresh = max(self._fresh, self._every)
        said = "kept" if better is None else "published"
        return [msgspec.structs.replace(event, refit=said) for event in events]

    def _one_customer(self) -> list[str]:
        if len(self._customers) < FEW_SAMPLES:
            return []
        customer, count = Counter(self._customers).most_common(1)[0]
        if count / len(self._customers) <= LARGEST_SHARE:
            return []
        said = (
            f"{count:,} of the last {len(self._customers):,} samples are of customer {customer!r}: the model learns "
            "that customer; leave test accounts out of the events"
        )
        return [said]
