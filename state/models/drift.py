"""Notices when a model's scores stop coming true as they did: ADWIN on the loss and on what the scores miss.

Two detectors, since each is blind where the other sees: a signal that is lost or turned round raises the loss, while
as many labels are 1 as before; a base rate that shifts hardly shows in the loss, but in the mean of label - score.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec
import numpy as np
from river.drift import ADWIN

from rules.models.definition import Anomaly, Clusters, Propensity, Value
from state.models.linear import log_loss
from state.models.quality.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rules.models.definition import AnyModel
    from state.models.learners.base import Learner
    from state.models.sample import Sample

DELTA: Final = 0.002
CLOCK: Final = 8
"""ADWIN looks for a cut every so many numbers. River's 32 notices up to 24 samples later."""
SIDE: Final = 5
"""ADWIN's own smallest part of a window."""
MOST_LOSS: Final = 3.0
"""A log loss is cut off here: a score that was as good as sure and wrong would alone be a drift."""
MOST_ERROR: Final = 4.0
ERRORS_SIZED: Final = 200
"""The first errors of a value model, which only say how large its errors are."""


class DriftEvent(msgspec.Struct, frozen=True, gc=False):
    """One drift, as the record of the topic `model-events` has it.

    `detector` is what was watched; `before` and `after` are its means in the older and the newer part of its numbers
    since the last drift (5,000 at most), in its own unit. `at` (ms) is when the label was known that it was noticed
    with, the `samples`-th learned. `refit` says what came of learning anew: `published`, `kept` where the model as it
    was does better, None where the definition only reports.
    """

    model: str
    definition: str
    detector: str
    before: float
    after: float
    at: int
    samples: int
    refit: str | None = None


class Watch:
    """ADWIN over one number a sample (Bifet and Gavaldà 2007)."""

    def __init__(self, name: str, *, only_rise: bool) -> None:
        """`only_rise`: a mean that falls is no drift; the detector begins again, as it does after any."""
        self.name = name
        self._only_rise = only_rise
        self._window = Window(1)
        self._adwin = ADWIN(delta=DELTA, clock=CLOCK)

    def update(self, number: float, scale: float) -> tuple[float, float] | None:
        """Take a number, that times `scale` is small enough for ADWIN; return the means if too far apart for chance."""
        if self._adwin.drift_detected:
            self._window.clear()
        self._window.add(number)
        self._adwin.update(number * scale)
        if not self._adwin.drift_detected:
            return None
        before, after = means_apart(self._window.columns()[0])
        return None if self._only_rise and after <= before else (before, after)

    def state(self) -> str:
        """Return the newest numbers since the last drift."""
        return self._window.state()

    def restore(self, state: str, scale: float) -> None:
        """Feed the numbers again: ADWIN has no JSON form. What is found among them was found before."""
        kept = Window(1)
        kept.restore(state)
        for number in kept.columns()[0].tolist():
            self.update(number, scale)


def means_apart(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Return the means before and after the cut that tells most apart, each side of it at least five numbers long.

    ADWIN only says that there is one, and what it forgets is not all that is old: its own mean, before and after, can
    even move the wrong way.
    """
    sums = np.cumsum(numbers)
    older = np.arange(SIDE, len(numbers) - SIDE + 1)
    newer = len(numbers) - older
    before, after = sums[older - 1] / older, (sums[-1] - sums[older - 1]) / newer
    cut = int(np.argmax(np.abs(after - before) / np.sqrt(1 / older + 1 / newer)))
    return float(before[cut]), float(after[cut])


class Drift:
    """The detectors of one model, from its warm-up on: samples without a score are passed over."""

    def __init__(self, definition: AnyModel) -> None:
        """Make the detectors of the model's kind; an anomaly score has none."""
        self._model, self._definition = definition.key, definition.definition
        self._signal = _signal(definition)
        self._watches = [Watch(name, only_rise=only_rise) for name, only_rise in self._signal.watched]
        self._counts = [0] * len(self._watches)
        self._newest: DriftEvent | None = None

    def update(self, sample: Sample, learner: Learner, samples: int) -> Iterator[DriftEvent]:
        """Yield the drifts noticed with a sample, the `samples`-th, that is about to be learned."""
        numbers = self._signal.numbers(sample, learner)
        for index, (watch, number, scale) in enumerate(zip(self._watches, numbers, self._signal.scales, strict=False)):
            found = watch.update(number, scale)
            if found is not None:
                self._counts[index] += 1
                self._newest = DriftEvent(
                    self._model, self._definition, watch.name, *found, sample.released_at, samples
                )
                yield self._newest

    def metrics(self) -> dict[str, Any]:
        """Return how many drifts each detector has noticed, and the newest of them."""
        counts = {watch.name: count for watch, count in zip(self._watches, self._counts, strict=True)}
        return {"counts": counts, "newest": None if self._newest is None else msgspec.to_builtins(self._newest)}

    def state(self) -> dict[str, Any]:
        """Return the JSON form: what each detector is to be fed again."""
        return {
            **self.metrics(),
            "signal": self._signal.state(),
            "fed": {watch.name: watch.state() for watch in self._watches},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._counts = [state["counts"][watch.name] for watch in self._watches]
        self._newest = None if state["newest"] is None else msgspec.convert(state["newest"], DriftEvent)
        self._signal.restore(state["signal"])
        for watch, scale in zip(self._watches, self._signal.scales, strict=True):
            watch.restore(state["fed"][watch.name], scale)


class Signal:
    """The numbers a sample feeds the detectors with; this one has none."""

    watched: tuple[tuple[str, bool], ...] = ()
    """The name of each number, and whether only a rise of it counts."""
    scales: tuple[float, ...] = ()
    """What each number is multiplied by for ADWIN, whose bound holds where they lie within a range of 1."""

    def numbers(self, sample: Sample, learner: Learner) -> tuple[float, ...]:
        """Return the numbers, none for a sample that says nothing."""
        del sample, learner
        return ()

    def state(self) -> list[float]:
        """Return what was learned of the numbers' size."""
        return []

    def restore(self, state: list[float]) -> None:
        """Take over a state."""


class OfPropensity(Signal):
    """The log loss, and label - score."""

    watched = (("loss", True), ("label - score", False))
    scales = (0.75, 0.5)
    """Label - score lies between -1 and 1, and few losses are above 4/3.

    Chosen on drawn streams: unscaled, 3 of 100 steady runs gave an alarm, with these none; a lost signal was found
    within 300 samples in 40 of 40 runs, with losses halved in 39. On fresh ones: 1 of 100, and 39 of 40.
    """

    def numbers(self, sample: Sample, learner: Learner) -> tuple[float, ...]:
        """Return both; the log loss of a score that was as good as sure is cut off."""
        del learner
        if not isinstance(sample.score, float | int) or sample.y not in (0, 1):
            return ()
        return min(log_loss(sample.y, sample.score), MOST_LOSS), sample.y - sample.score


class OfValue(Signal):
    """The absolute error, and label - score, each cut off at four root mean squares of the first errors.

    Amounts have no bounds and a few are huge: uncut, one of them alone would be a drift. A mean of what is cut off says
    less than one of all, but it still changes when, and only when, what happens does.
    """

    watched = (("loss", True), ("label - score", False))

    def __init__(self) -> None:
        """Begin with no error seen."""
        self._errors = 0
        self._squares = 0.0

    def numbers(self, sample: Sample, learner: Learner) -> tuple[float, ...]:
        """Return both, none while the size of the errors is being learned."""
        del learner
        if not isinstance(sample.score, float | int) or sample.y is None or not math.isfinite(sample.y):
            return ()
        error = sample.y - sample.score
        if self._errors < ERRORS_SIZED or not self._squares:
            self._errors += 1
            self._squares += error**2
            return ()
        most = MOST_ERROR * (self._squares / self._errors) ** 0.5
        kept = min(max(error, -most), most)
        return abs(kept), kept

    @property
    def scales(self) -> tuple[float, ...]:  # type: ignore[override]  # it is read only
        """Return what makes the largest error 1."""
        scale = 1 / (MOST_ERROR * (self._squares / self._errors) ** 0.5) if self._squares else 1.0
        return scale, scale

    def state(self) -> list[float]:
        """Return the number of errors and the sum of their squares."""
        return [self._errors, self._squares]

    def restore(self, state: list[float]) -> None:
        """Take over a state."""
        self._errors, self._squares = int(state[0]), state[1]


class OfClusters(Signal):
    """The distance to the nearest centre."""

    watched = (("distance", True),)
    scales = (1.0,)

    def numbers(self, sample: Sample, learner: Learner) -> tuple[float, ...]:
        """Return it, nothing while the clusters warm up."""
        distance = None if sample.score is None else learner.loss(sample)
        return () if distance is None else (distance,)


def _signal(definition: AnyModel) -> Signal:
    match definition:
        case Propensity():
            return OfPropensity()
        case Value():
            return OfValue()
        case Clusters():
            return OfClusters()
        case Anomaly():
            return Signal()
        case _:
            assert_never(definition)
