"""Behavioural features: what is counted of a customer's events, one file a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rules import features as specs
from state.features.running import RunningDistinct, RunningNumbers, RunningScalars
from state.features.sequence import Sequence
from state.features.times import Count, Newest, NewestTimes, Oldest
from state.features.windowed import Windowed

if TYPE_CHECKING:
    from rules.checks.base import Feature
    from state.features.base import Caps


def make_feature(spec: specs.FeatureSpec, *, max_late_ms: int, caps: Caps) -> Feature:
    """Return the feature of a spec; `caps` counts the bounds it reaches."""
    match spec:
        case specs.Newest():
            return Newest(spec)
        case specs.Oldest():
            return Oldest(spec)
        case specs.Count():
            return Count(spec)
        case specs.NewestTimes():
            return NewestTimes(spec)
        case specs.Sequence():
            return Sequence(spec, max_late_ms, caps)
        case specs.CountWithin():
            return Windowed(spec, caps)
        case specs.Total():
            if spec.within_ms is not None:
                return Windowed(spec, caps)
            if spec.values == "distinct":
                return RunningDistinct(spec, caps)
            return RunningNumbers(spec) if spec.values == "numbers" else RunningScalars(spec)
        case _:
            assert_never(spec)
