"""Rulesets of any number of segments, of which an event touches the same features whatever that number is.

The first ten segments read the load's six events, in five features that every ruleset has alike. All further ones are
what other campaigns of the same company ask about: each has a definition of its own, by turns of how often, how much
and since when something was done that is not among these six events, and of a trait. So from 10 to 5,000 segments an
event's name leads to the same features and the same segments; what grows is the ruleset that all of it stands in, and
the room for what no customer of this load has done yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from pathlib import Path

_ORDER, _VIEWED, _ADDED = "Order Completed", "Product Viewed", "Product Added"

READ_BY_THE_LOAD: tuple[dict[str, Any], ...] = (
    *({"did": {"event": _ORDER, "times": {"gte": times}, "within": "30d"}} for times in (1, 2, 3)),
    *({"total": {"event": _ORDER, "of": "total", "agg": "sum", "within": "60d", "gte": sum_}} for sum_ in (100, 300)),
    *({"did": {"event": [_VIEWED, _ADDED], "times": {"gte": times}, "within": "7d"}} for times in (2, 4)),
    {"then_not": {"event": _ADDED, "but": {"event": _ORDER}, "wait": "1h", "within": "3d"}},
    {"did": {"event": "*", "times": {"gte": 5}, "within": "30m"}},
    {"all": [{"did": {"event": _VIEWED}}, {"not": {"did": {"event": _ORDER, "within": "30d"}}}]},
)
"""The conditions of the first ten segments."""


def other(number: int) -> dict[str, Any]:
    """Return the condition of a segment that the load's events do not lead to."""
    event = f"Campaign {number} Answered"
    match number % 4:
        case 0:
            return {"did": {"event": event, "times": {"gte": 1 + number % 3}, "within": "30d"}}
        case 1:
            return {"total": {"event": event, "of": "total", "agg": "sum", "within": "90d", "gte": 100}}
        case 2:
            return {"since_last": {"event": event, "lt": "14d"}}
        case _:
            return {"trait": {f"campaign_{number}": "yes"}}


def write_rules(path: Path, count: int) -> None:
    """Write a definitions file of so many segments, ten or more, as JSON (which is YAML, too)."""
    conditions = [*READ_BY_THE_LOAD, *(other(number) for number in range(len(READ_BY_THE_LOAD), count))]
    segments = [{"key": f"s{number}", "when": condition} for number, condition in enumerate(conditions)]
    path.write_bytes(orjson.dumps({"segments": segments}))
