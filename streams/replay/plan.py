"""What a replay is asked to do, whichever way it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from rules.ruleset import Ruleset


@dataclass(frozen=True, slots=True)
class Plan:
    """Events through a ruleset.

    `until_ms` is the horizon (None: the newest time of an applied event), `changes` where the changes are written
    (None: nowhere), `step_ms` how often, in stream time, it is said where things stand (None: never). `app_id` is
    part of each change's id; `max_late_ms` is the setting. With models, `models` is where their snapshots are written,
    and in memory one is made every `snapshot_every` samples.
    """

    ruleset: Ruleset
    app_id: str
    max_late_ms: int
    until_ms: int | None = None
    changes: Path | None = None
    step_ms: int | None = None
    models: Path | None = None
    snapshot_every: int = 500


class Report(Protocol):
    """Where a replay says how far it is. It has no say in what the replay does."""

    def begin(self, what: str, total: int) -> None:
        """Begin a phase of `total` units of work."""

    def progress(self, done: int) -> None:
        """So many units of the phase are done."""

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """After `events` records, so many customers stood in each segment at an instant of stream time."""

    def changed(self, name: str, move: str, value: bytes) -> None:
        """One change came out on the change topic: segment name, entered or exited, JSON.

        Only a replay through services with steps says so.
        """

    def learned(self, model: str, value: bytes) -> None:
        """One version of a model came out on its topic: the model's key, JSON.

        Only a replay through services says so.
        """
