"""What a customer costs: the bytes of a profile in which every feature holds as much as it may.

Measured on states built to the bounds of `state.features` and written by the profile's own codec, not added up by
hand. Times and numbers count 9 bytes, as msgpack writes what does not fit 32 bits; texts that `first` and `last` keep
are taken as `TEXT_CHARS` long. Traits are not in it: they are what `identify` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from rules import features as specs
from rules.features import NEVER
from rules.models.unit import ModelUnit
from state.features.distinct import KEPT
from state.features.sequence import MOST_CANDIDATES
from state.features.windowed import MOST_VALUES, PANES
from state.profile import ID_BYTES, REMEMBERED_IDS

if TYPE_CHECKING:
    from rules.checks.base import Level
    from state.engine import Engine
    from state.profile import Profile

TEXT_CHARS: Final = 24
TIME: Final = 1 << 40
NUMBER: Final = 0.5
FAR_MS: Final = 1 << 33
"""A clock so far from the times that they take their 9 bytes: near it they take 5."""
HASH: Final = NEVER - 1
MOST_PANES: Final = PANES + 2
"""Panes that are alive at once: those of the window, and at each end one that reaches beyond it."""

_VALUES: Final = {"numbers": NUMBER, "scalars": "x" * TEXT_CHARS, "distinct": HASH}


def feature_bytes(spec: specs.FeatureSpec) -> int:
    """Return the bytes that a feature takes in a profile at most."""
    return _size(full_state(spec))


def full_state(spec: specs.FeatureSpec) -> Any:
    """Return a state of a feature at its bound."""
    match spec:
        case specs.Newest() | specs.Oldest() | specs.Count():
            return TIME
        case specs.NewestTimes():
            return [TIME] * spec.keep
        case specs.Sequence():
            open_times = [1 if step.within_ms is None else MOST_CANDIDATES for step in spec.steps[1:]]
            return [TIME, *([TIME] * count for count in open_times)]
        case specs.CountWithin():
            return max(_exact(1), _panes("numbers", 1), key=_size)
        case specs.Total():
            value = _VALUES[spec.values]
            if spec.within_ms is not None:
                return max(_exact(value), _panes(spec.values, value), key=_size)
            if spec.values == "distinct":
                return [True, [HASH] * KEPT]
            return [TIME, TIME, value, value] if spec.values == "numbers" else [TIME, value, TIME, value]
        case _:
            assert_never(spec)


def _exact(value: Any) -> Any:
    return [[TIME] * MOST_VALUES, [value] * MOST_VALUES, TIME]


def _panes(values: str, value: Any) -> Any:
    pane = [TIME] if values == "distinct" else [TIME, TIME, value, TIME, value]
    return [None, [pane] * MOST_PANES, [True, [HASH] * KEPT] if values == "distinct" else None]


def _size(state: Any) -> int:
    return len(msgspec.msgpack.encode(state))


def model_bytes(unit: ModelUnit) -> int:
    """Return the bytes that a model takes in a profile at most, beside its features: times, score, waiting samples."""
    return _size({unit.hash: _full_model(unit)}) + _size({unit.model: _full_score(unit)})


def _full_model(unit: ModelUnit) -> list[Any]:
    waiting = [TIME, "event", [NUMBER] * len(unit.definition.feature_names), TIME, NUMBER, 1 << 20]
    return [TIME, TIME, TIME, [waiting] * unit.definition.most_pending]


def _full_score(unit: ModelUnit) -> list[Any]:
    return [NUMBER, 1 << 20, unit.hash]


def new_bytes(engine: Engine) -> int:
    """Return the bytes of a customer of whom one event came that no condition counts."""
    profile = _standing(engine)
    profile.ids += bytes(ID_BYTES)
    return len(engine.encode(profile))


def full_bytes(engine: Engine) -> int:
    """Return the bytes of a customer in every segment, with every feature and the memory of message ids full."""
    profile = _standing(engine)
    profile.ids += bytes(ID_BYTES * REMEMBERED_IDS)
    profile.slots = [full_state(spec) for spec in engine.compiled.specs]
    profile.dues = dict.fromkeys(range(len(engine.units)), TIME)
    profile.levels = _longest(engine)
    models = [unit for unit in engine.units if isinstance(unit, ModelUnit)]
    profile.models = {unit.hash: _full_model(unit) for unit in models}
    profile.scores = {unit.model: _full_score(unit) for unit in models}
    return len(engine.encode(profile))


def _standing(engine: Engine) -> Profile:
    profile = engine.new("")
    profile.clock = FAR_MS
    profile.seq = profile.rev = TIME
    profile.levels = {i: level for i, level in _longest(engine).items() if engine.units[i].segmentation is not None}
    return profile


def _longest(engine: Engine) -> dict[int, Level]:
    """Return each unit's level in its segment of the longest key; a model has none, clusters are `c` and a number."""
    units = [(index, unit) for index, unit in enumerate(engine.units) if not isinstance(unit, ModelUnit)]
    return {index: (max(unit.names, key=len) if unit.names else "c64", TIME) for index, unit in units}
