"""What conditions need counted: the specification of each behavioural feature, keyed by a hash of its definition.

The features themselves live in `state.features`; conditions read them through the `Feature` protocol.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

from rules.matching import values_test
from rules.paths import event_values, parse_path

NEVER: Final = (1 << 62) - 1
"""An instant (ms) later than any: what has no `until`. The greatest that compiled code need not box."""

ANY_EVENT: Final = "*"


@dataclass(frozen=True)
class Selector:
    """Which events match: their names (or `*`), and what their paths hold, as ((path, ((operator, operand)…))…)."""

    names: tuple[str, ...]
    where: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()

    @cached_property
    def _tests(self) -> tuple[Any, ...]:
        return tuple((event_values(parse_path(path)), values_test(dict(ops))) for path, ops in self.where)

    @property
    def unconditional(self) -> bool:
        """Whether every event of these names matches."""
        return not self.where

    def matches(self, body: dict[str, Any]) -> bool:
        """Return whether an event of one of these names matches, by its body."""
        for read, test in self._tests:  # noqa: SIM110 - a generator for all(…) costs more than what it asks
            if not test(read(body)):
                return False
        return True


@dataclass(frozen=True)
class Newest:
    """The newest matching time."""

    selector: Selector


@dataclass(frozen=True)
class Oldest:
    """The oldest matching time."""

    selector: Selector


@dataclass(frozen=True)
class Count:
    """How many matching events there have been."""

    selector: Selector


@dataclass(frozen=True)
class NewestTimes:
    """The newest `keep` matching times within a window, as many as a bound on their number needs."""

    selector: Selector
    keep: int
    within_ms: int


@dataclass(frozen=True)
class Total:
    """An aggregate of the values at a path over matching events, in a window or (None) over all time."""

    selector: Selector
    of: str
    values: str
    within_ms: int | None


@dataclass(frozen=True)
class CountWithin:
    """How many matching events there are in a window, with no bound on their number."""

    selector: Selector
    within_ms: int


@dataclass(frozen=True)
class Step:
    """One step of a sequence; `within_ms` and `after_ms` bound its distance from the step before."""

    selector: Selector
    within_ms: int | None = None
    after_ms: int | None = None


@dataclass(frozen=True)
class Sequence:
    """The newest time at which a sequence of steps was completed."""

    steps: tuple[Step, ...]


FeatureSpec = Newest | Oldest | Count | NewestTimes | CountWithin | Total | Sequence


def feature_key(spec: FeatureSpec) -> int:
    """Return the key a feature's state is stored under: 63 bits of the SHA-256 of its definition."""
    text = json.dumps([type(spec).__name__, asdict(spec)], sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def selectors(spec: FeatureSpec) -> tuple[Selector, ...]:
    """Return the selectors of the events that a feature counts."""
    if isinstance(spec, Sequence):
        return tuple(step.selector for step in spec.steps)
    return (spec.selector,)
