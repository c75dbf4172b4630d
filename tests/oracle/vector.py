"""What a model knows of a customer at an instant: its features as numbers, from the full history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tests.oracle.panes import Value, windowed
from tests.oracle.truth import aggregate, holds, matching, remaining, total_values
from tests.oracle.values import UNITS_MS, duration_ms, equal, is_number, leaves

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.oracle.definitions import Tree
    from tests.oracle.truth import Facts


def vector(facts: Facts, features: Mapping[str, Tree], t: int) -> tuple[float, ...]:
    """Return the numbers of all features at `t`, in the order of their keys."""
    return tuple(number for key in sorted(features) for number in _numbers(facts, features[key], t))


def _numbers(facts: Facts, feature: Tree, t: int) -> list[float]:
    found = _source(facts, feature, t)
    if "one_of" in feature:
        found = found or [feature.get("missing")]
        return [float(any(equal(one, value) for one in found)) for value in feature["one_of"]]
    numbers = [float(one) for one in found if is_number(one) or isinstance(one, bool)]
    number = numbers[0] if numbers else float(feature.get("missing", 0))
    if "bins" in feature:
        place = sum(number >= bound for bound in feature["bins"])
        return [float(place == one) for one in range(len(feature["bins"]) + 1)]
    return [math.copysign(math.log1p(abs(number)), number) if "transform" in feature else number]


def _source(facts: Facts, feature: Tree, t: int) -> list[Any]:
    """Return the value of the feature's source; none where there is none, several where a list is on the way."""
    if "did" in feature:
        return [_count(facts, feature["did"], t)]
    if "total" in feature:
        values, every = total_values(facts, feature["total"], t)
        return [aggregate(feature["total"]["agg"], values, every)] if values else []
    for kind, extreme in (("since_last", max), ("since_first", min)):
        if kind in feature:
            times = [one.ts for one in matching(facts, feature[kind])]
            return [(t - extreme(times)) / UNITS_MS[feature.get("unit", "d")]] if times else []
    if isinstance(feature.get("trait"), str):
        return leaves(facts.traits, feature["trait"].split("."))
    kind = "trait" if "trait" in feature else "in_segment"
    return [holds(facts, {kind: feature[kind]}, t)]


def _count(facts: Facts, spec: Tree, t: int) -> int:
    """Return the number of events in the window; of more than 256 whole panes leave, as with values."""
    events = matching(facts, spec)
    if "within" not in spec:
        return sum(one.ts <= t for one in events)
    within = duration_ms(spec["within"])
    history = [(one.evaluated_at, [Value(one.ts, one.arrival, 0, 1)]) for one in events]
    single, paned = windowed(history, within)
    return len(remaining(single, paned, within, t))
