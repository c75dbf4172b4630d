"""One model and one customer: when samples are taken and released, and when the customer is scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tests.oracle.truth import event_values, matching
from tests.oracle.values import duration_ms, is_number, micros
from tests.oracle.vector import vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.oracle.definitions import Tree
    from tests.oracle.truth import Facts, Seen

YEAR = "365d"


class Scorer(Protocol):
    """What says something of a customer: a function of their features and of what was last said of them."""

    version: int

    def score(self, x: tuple[float, ...], before: float | str | None) -> float | str:
        """Return a number, or the id of a cluster."""


Scorers = Mapping[str, Scorer]
Said = tuple[float | str | None, int | None]
"""What was said at one instant, and the version that said it; none of both where nothing was."""


@dataclass(frozen=True)
class Released:
    """One sample, given away at `released_at` with what came of it."""

    model: str
    customer: str
    at: int
    released_at: int
    why: str
    x: tuple[float, ...]
    y: float | None
    score: float | str | None
    version: int | None


class Modelled:
    """What one model has to do with one customer."""

    def __init__(self, model: Tree, facts: Facts) -> None:
        self.model = model
        self.facts = facts
        self.released: list[Released] = []
        self._every = duration_ms(model["sample"]["every"])
        self._silent_for = duration_ms(model["sample"].get("silent_for", YEAR))
        self._rescore = duration_ms(model.get("rescore", "1d"))
        on = model["sample"].get("on", [])
        self._on = [on] if isinstance(on, str) else on
        self._within = duration_ms(model["target"]["within"]) if "target" in model else 0
        self._pending: list[Released] = []
        self._sampled: int | None = None
        self._next_sample: int | None = None
        self._running = False  # no sample is taken at the next instant while the customer is silent
        self._scored: int | None = None
        self._next_score: int | None = None

    def instants(self) -> Iterator[int]:
        """Yield when something is due."""
        yield from (one.released_at for one in self._pending)
        if self._running and self._next_sample is not None:
            yield self._next_sample
        if self._next_score is not None:
            yield self._next_score

    def step(self, at: int, happened: Seen | None, scorers: Scorers) -> bool:
        """Do all that is due at `at`, and what an event that just `happened` brings; return whether it was anything."""
        due = any(one <= at for one in self.instants())
        if happened is None and not due:
            return False
        self._release(at)
        if happened is not None and self._next_sample is not None and self._next_sample >= at:
            self._running = True  # an event that comes no later than an instant reached in silence opens it again
        said: Said = (None, None)
        silent = at - max(one.ts for one in self.facts.seen) >= self._silent_for
        why = self._why(at, happened, silent=silent)
        if happened is not None or why is not None or (_reached(self._next_score, at) and not silent):
            said = self._score(at, scorers.get(self.model["key"]))
        elif _reached(self._next_score, at):
            self._next_score = None
        if why is not None:
            self._sample(at, why, said)
        else:
            self._wait(at, happened)
        return True

    # Samples

    def _why(self, at: int, happened: Seen | None, *, silent: bool) -> str | None:
        """Return why a sample is taken now, None where none is."""
        ripe = self._sampled is None or at - self._sampled >= self._every
        if ripe and happened is not None and (happened.event.name in self._on or "*" in self._on):
            return "event"
        return "timer" if self._running and _reached(self._next_sample, at) and not silent else None

    def _sample(self, at: int, why: str, said: Said) -> None:
        x = vector(self.facts, self.model["features"], at)
        sample = Released(self.model["key"], self.facts.customer, at, at + self._within, why, x, None, *said)
        if "target" in self.model:
            self._pending.append(sample)
        else:
            self.released.append(sample)
        self._sampled, self._next_sample, self._running = at, at + self._every, True

    def _wait(self, at: int, happened: Seen | None) -> None:
        """Stop the timer where it is reached in silence; an event lets it run again, or begin."""
        if happened is None:
            self._running = self._running and not _reached(self._next_sample, at)
        elif self._sampled is not None or not self._on:
            self._running = True
            if self._next_sample is None or self._next_sample <= at:
                self._next_sample = at + self._every

    def _release(self, at: int) -> None:
        for one in [one for one in self._pending if one.released_at <= at]:
            self._pending.remove(one)
            self.released.append(replace(one, y=self._label(one)))

    def _label(self, sample: Released) -> float:
        target = self.model["target"]
        hits = [one for one in matching(self.facts, target) if sample.at < one.ts <= sample.released_at]
        if self.model["kind"] == "propensity":
            return float(bool(hits))
        values: list[Any] = [value for one in hits for value in event_values(one.event, target["of"])]
        return sum(micros(value) for value in values if is_number(value)) / 1_000_000

    # Scores

    def _score(self, at: int, scorer: Scorer | None) -> Said:
        self._scored = max(at, self._scored or at)
        self._next_score = self._scored + self._rescore
        if scorer is None:
            return None, None
        before = self.facts.scores.get(self.model["key"])
        said = scorer.score(vector(self.facts, self.model["features"], at), None if before is None else before[0])
        self.facts.scores[self.model["key"]] = (said, scorer.version)
        return said, scorer.version


def _reached(due: int | None, at: int) -> bool:
    return due is not None and due <= at
