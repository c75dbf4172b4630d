"""Learning in step with a replay in memory: each sample at the moment of its release, so that every run says the same.

Imports River, and so is imported only where there is a model.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from rules.errors import ReplayError
from state.models.scorers import make_scorer
from state.models.snapshot import encode
from state.models.trainer import Trainer

if TYPE_CHECKING:
    from pathlib import Path

    from state.engine import Engine
    from state.models.sample import Sample
    from state.profile import Profile


class Study:
    """The models of an engine, learned in this process; its scorers are replaced every `snapshot_every` samples."""

    def __init__(self, engine: Engine, *, snapshot_every: int, path: Path | None) -> None:
        """Begin with nothing learned; snapshots are written to `path`, one a line. Raises `ReplayError`."""
        self.samples = self.snapshots = self.drifts = 0
        self._scorers = engine.scorers
        self._trainers = {model.key: Trainer(model, snapshot_every=snapshot_every) for model in engine.ruleset.models}
        self._newest_ms = 0
        self._file: IO[bytes] | None = None
        if path is not None:
            try:
                self._file = path.open("wb")
            except OSError as error:
                message = f"{path}: the models cannot be written: {error.strerror}; name a file that can be"
                raise ReplayError(message) from error

    def take(self, profile: Profile) -> None:
        """Learn what a customer has released."""
        if profile.released:
            released, profile.released = profile.released, []
            for sample in released:
                self._learn(sample)

    def finish(self) -> None:
        """Say where each model stands at the end."""
        for trainer in self._trainers.values():
            if trainer.fresh:
                self._publish(trainer)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _learn(self, sample: Sample) -> None:
        trainer = self._trainers[sample.model]
        self._newest_ms = max(self._newest_ms, sample.released_at)
        self.drifts += len(trainer.learn(sample, source=(0, self.samples, 0), offset=self.samples))
        self.samples += 1
        if trainer.due:
            self._publish(trainer)

    def _publish(self, trainer: Trainer) -> None:
        snapshot = trainer.snapshot(self._newest_ms)
        self.snapshots += 1
        if self._file is not None:
            self._file.write(encode(snapshot) + b"\n")
        scorer = make_scorer(trainer.definition, snapshot)
        if scorer is None:
            self._scorers.pop(snapshot.model, None)
        else:
            self._scorers[snapshot.model] = scorer
