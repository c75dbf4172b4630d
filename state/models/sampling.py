"""When a customer is scored and sampled, and when a sample's label is known: one model at one customer.

What is kept of a model in a profile is a list: the instant of the last sample, of the next timed one, of the last
score (ms, None where there is none), and the samples that wait for their label, oldest first, each as [instant, why,
features, what came so far in millionths, score, version].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.checks.total import of_millionths
from rules.features import ANY_EVENT, NEVER, Total
from state.features.base import pack_int
from state.features.values import MILLION, ValueReader, sum_millionths
from state.models.sample import Sample

if TYPE_CHECKING:
    from rules.models.unit import ModelUnit
    from state.event import Event
    from state.models.scorer import Scorers
    from state.profile import Profile

SAMPLED, TIMER, SCORED, PENDING = range(4)
AT, WHY, X, SUM, SCORE, VERSION = range(6)
EVENT: Final = "event"
TIMED: Final = "timer"


class Sampling:
    """One compiled model over profiles; `scorers` is the engine's, and changes as snapshots come."""

    def __init__(self, unit: ModelUnit, scorers: Scorers) -> None:
        """Bind the target."""
        self.unit = unit
        self.model = unit.model
        self._scorers = scorers
        self._hash = unit.hash
        target = unit.target
        self._names = frozenset(target.names) if target is not None else frozenset()
        self._matches = None if target is None or target.unconditional else target.matches
        self._values = (
            None if target is None or unit.of is None else ValueReader(Total(target, unit.of, "numbers", None))
        )

    def note(self, profile: Profile, event: Event) -> None:
        """Count an event for the samples that wait: a target in `(t, t + within]` of a sample at t is its label."""
        state = profile.models.get(self._hash)
        within_ms = self.unit.within_ms
        if state is None or not state[PENDING] or within_ms is None:
            return
        if event.name not in self._names and ANY_EVENT not in self._names:
            return
        if self._matches is not None and not self._matches(event.body):
            return
        brought = MILLION if self._values is None else sum_millionths(self._values.read(event.body))
        for sample in state[PENDING]:
            if sample[AT] < event.ts <= sample[AT] + within_ms:
                sample[SUM] = MILLION if self._values is None else pack_int(int(sample[SUM]) + brought)

    def step(self, profile: Profile, event: Event | None, t: int) -> tuple[int, bool]:
        """Do what is due at instant `t` (ms): release, score, sample, in this order.

        `event` is the one applied at `t`, None at a timer. Returns when something is due next with no event, and
        whether the model says something new.
        """
        unit = self.unit
        state = profile.models.get(self._hash)
        fresh = state is None
        if state is None:
            state = profile.models[self._hash] = [None, None, None, []]
        self._release(profile, state[PENDING], t)
        newest = profile.slots[unit.newest]
        quiet = (profile.clock if newest is None else newest) + unit.silent_for_ms
        by_event = event is not None and self._samples_at(event.name, state[SAMPLED], t)
        by_timer = not by_event and state[TIMER] == t and t < quiet
        news = False
        scored = state[SCORED]
        if event is not None or by_timer or (t < quiet and (fresh or scored is None or scored + unit.rescore_ms <= t)):
            x = unit.read(profile, t)
            # what asks for the score has not met the newest one at an instant before the last scoring
            news = self._score(profile, x) or (scored is not None and t < scored)
            state[SCORED] = t if scored is None else max(t, scored)
            if by_event or by_timer:
                self._sample(profile, state, t, EVENT if by_event else TIMED, x)
        if state[TIMER] is None or state[TIMER] <= t:
            self._restart(state, t, begins=event is not None or (fresh and t < quiet))
        return self._due(state, t, quiet), news

    def _samples_at(self, name: str, sampled: int | None, t: int) -> bool:
        return self.unit.samples_at(name) and (sampled is None or t - sampled >= self.unit.every_ms)

    def _score(self, profile: Profile, x: tuple[float, ...]) -> bool:
        scorer = self._scorers.get(self.model)
        if scorer is None:
            return False
        previous = profile.scores.get(self.model)
        said = scorer.score(x, None if previous is None else previous[0])
        if previous is not None and previous[0] == said:
            previous[1] = scorer.version
            return False
        profile.scores[self.model] = [said, scorer.version, self._hash]
        profile.rev += 1
        return True

    def _sample(self, profile: Profile, state: list[Any], t: int, why: str, x: tuple[float, ...]) -> None:
        said = profile.scores.get(self.model) if self.model in self._scorers else None
        score, version = (None, None) if said is None else said[:2]
        waiting = [t, why, x, 0, score, version]
        if self.unit.within_ms is None:
            profile.released.append(self._sample_of(profile, waiting, t, None))
        else:
            state[PENDING].append(waiting)
        state[SAMPLED] = t
        state[TIMER] = t + self.unit.every_ms

    def _release(self, profile: Profile, pending: list[Any], t: int) -> None:
        within_ms = self.unit.within_ms
        while within_ms is not None and pending and pending[0][AT] + within_ms <= t:
            waiting = pending.pop(0)
            profile.released.append(
                self._sample_of(profile, waiting, waiting[AT] + within_ms, float(of_millionths(int(waiting[SUM]))))
            )

    def _sample_of(self, profile: Profile, waiting: list[Any], released_at: int, y: float | None) -> Sample:
        return Sample(
            model=self.model,
            definition=self._hash,
            customer=profile.customer,
            at=waiting[AT],
            released_at=released_at,
            why=waiting[WHY],
            x=tuple(waiting[X]),
            y=y,
            score=waiting[SCORE],
            version=waiting[VERSION],
        )

    def _restart(self, state: list[Any], t: int, *, begins: bool) -> None:
        """Let timed samples begin: with the first event where `on` is absent, and again after a silence."""
        if begins and (not self.unit.on or state[SAMPLED] is not None):
            state[TIMER] = t + self.unit.every_ms

    def _due(self, state: list[Any], t: int, quiet: int) -> int:
        due = NEVER
        if state[PENDING] and self.unit.within_ms is not None:
            due = int(state[PENDING][0][AT]) + self.unit.within_ms
        if state[TIMER] is not None and t < state[TIMER] < quiet:
            due = min(due, state[TIMER])
        scored = state[SCORED]
        if scored is not None and t < scored + self.unit.rescore_ms < quiet:
            due = min(due, scored + self.unit.rescore_ms)
        return due
