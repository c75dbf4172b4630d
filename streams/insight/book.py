"""What is known of models: their definitions, where there are any, and the newest version of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rules.durations import format_duration
from rules.errors import StateError
from rules.models.definition import Clusters, Propensity, Value
from rules.wording import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.models.definition import AnyModel
    from state.models.snapshot import Snapshot

_TELLTALE: Final = {"auc": "propensity", "rmse": "value", "distortion": "clusters", "over_99": "anomaly"}
"""A measure that only one kind has -> that kind."""


class Point(NamedTuple):
    """The quality at one version: `at_ms` is the snapshot's instant, `samples` how many were learned by then."""

    at_ms: int
    samples: int
    quality: dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One model. `definition` is None where no ruleset says it, `snapshot` where no version is out.

    `course` has the quality at each version that was read. `edited`: the snapshot is of another definition than the
    ruleset's, which begins anew.
    """

    key: str
    definition: AnyModel | None = None
    snapshot: Snapshot | None = None
    course: list[Point] = field(default_factory=list)
    edited: bool = False

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.key if self.definition is None else self.definition.title

    @property
    def kind(self) -> str:
        """propensity, value, clusters or anomaly."""
        if self.definition is not None and not self.edited:
            return self.definition.kind
        frozen = None if self.snapshot is None else self.snapshot.scorer
        said = self.recent("event") or self.recent("timer")
        return str((frozen or {}).get("kind") or next((_TELLTALE[name] for name in said if name in _TELLTALE), "-"))

    @property
    def learned_by(self) -> AnyModel | None:
        """The definition of the snapshot itself; None where it is not known."""
        return None if self.edited else self.definition

    @property
    def frozen(self) -> dict[str, Any] | None:
        """What scores are made with; None while there is nothing to say."""
        return None if self.snapshot is None else self.snapshot.scorer

    @property
    def metrics(self) -> dict[str, Any]:
        """What the snapshot says of its quality, drift and problems."""
        return {} if self.snapshot is None else self.snapshot.metrics

    def recent(self, side: str, span: str = "recent") -> dict[str, Any]:
        """Return the measures over the samples that were taken so (`event` or `timer`), newest ones or `all`."""
        found: dict[str, Any] = self.metrics.get("quality", {}).get(side, {}).get(span, {})
        return found

    @property
    def waits_for(self) -> str:
        """What is missing before it says something, in words; empty once it does."""
        if self.frozen is not None:
            return ""
        learned = 0 if self.snapshot is None or self.edited else self.snapshot.samples
        if self.definition is None:
            return f"warming up: {learned:,} samples so far"
        most = self.definition.warm_up
        waiting = f"warming up: {min(learned, most):,} of {most:,} samples"
        if isinstance(self.definition, Clusters):
            return f"{waiting}, or of {format_duration(self.definition.warm_up_for)}"
        return waiting

    @property
    def label_comes(self) -> str:
        """When a sample is learned, in words."""
        if not isinstance(self.definition, Propensity | Value):
            return "a sample is learned at once"
        return f"a sample is learned when its label is known, {format_duration(self.definition.target.within)} after it"


class Book:
    """All models, those of the ruleset in its order, then others that have versions."""

    def __init__(self, definitions: Sequence[AnyModel] | None, source: str) -> None:
        """`definitions` is None where no ruleset is at hand; `source` is what snapshots are read from, in words."""
        self.source = source
        self._entries = {model.key: Entry(model.key, model) for model in definitions or ()}

    @property
    def entries(self) -> list[Entry]:
        """The models."""
        return list(self._entries.values())

    def take(self, snapshot: Snapshot) -> None:
        """Take a version that was read; one with a lower offset than a version of the same model is none newer."""
        entry = self._entries.setdefault(snapshot.model, Entry(snapshot.model))
        held = entry.snapshot
        edited = entry.definition is not None and snapshot.definition != entry.definition.definition
        if held is not None:
            if edited and not entry.edited:
                return  # an older model, and the ruleset's own has a version already
            if held.definition != snapshot.definition:
                entry.course.clear()
            elif snapshot.offset < held.offset:
                return
        entry.snapshot, entry.edited = snapshot, edited
        entry.course.append(Point(snapshot.created_at, snapshot.samples, snapshot.metrics.get("quality", {})))

    def forget(self, key: str) -> None:
        """Take an empty record: the model begins anew."""
        entry = self._entries.get(key)
        if entry is None:
            return
        if entry.definition is None:
            del self._entries[key]
        else:
            self._entries[key] = Entry(key, entry.definition)

    def one(self, key: str) -> Entry:
        """Return a model that has a version; raises `StateError` where there is none, with what to do about it."""
        entry = self._entries.get(key)
        if entry is None:
            names = ", ".join(self._entries) or "there is none"
            near = nearest(key, list(self._entries))
            meant = f"did you mean {near}? " if near else ""
            message = f"{key}: no such model in {self.source}; {meant}models: {names}"
            raise StateError(message)
        if entry.snapshot is None:
            message = (
                f"{key}: no version in {self.source} yet; {entry.waits_for}. The first version is written after a few "
                f"hundred samples (SEGUE_SNAPSHOT_EVERY) or 10 s; {entry.label_comes}"
            )
            raise StateError(message)
        return entry
