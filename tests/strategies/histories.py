"""Random histories for given definitions: what the definitions ask of, at the times at which they turn.

Each record is first a *plan* that stands by itself (so that a failing case shrinks well), then made real in order:
its time is taken from an earlier record's time and the definitions' durations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.oracle import Record
from tests.oracle.definitions import durations_ms, walk
from tests.strategies.pools import EVENT_PATHS, EVENTS, TRAIT_PATHS, Dice, HypothesisDice, often, one
from tests.strategies.values import OFFSETS, Values
from tests.strategies.writer import Plan, Writer

Tree = Mapping[str, Any]
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 10, 12, 12, 14, 14, 16, 16, 18, 20, 24)  # it shrinks to the left
CUSTOMERS = ("c1", "c2", "ü-3")


def _deltas(durations: list[int]) -> list[int]:
    """Return steps in time that land on boundaries, just before and just after them; small ones first."""
    steps = {0, 1}
    for a in durations:
        steps |= {a - 1, a, a + 1, a // 2}
        steps |= {a - b for b in durations} | {a + b for b in durations}
    return sorted((one for one in steps if one >= 0), key=abs)


ODD = (
    *("array_properties", "string_traits", "empty_message", "number_message", "both_ids", "number_user_id"),
    *("unknown_field", "twice_the_key", "resend", "resend", "resend"),
)
BAD = (
    *(
        "not_json",
        "nan",
        "surrogate",
        "no_id",
        "no_type",
        "unknown_type",
        "no_name",
        "date_only",
        "leap",
        "number_time",
    ),
    *("huge_number", "array", "empty", "no_timestamp", "too_large", "long_id", "many_traits", "wrong_key", "no_key"),
)


@dataclass(frozen=True)
class Clocks:
    """The settings that a live log's times are drawn for."""

    grace_ms: int = 1000
    clock_skew_ms: int = 100


class Planner:
    """Draws plans for definitions."""

    def __init__(self, dice: Dice, definitions: Tree, clocks: Clocks | None) -> None:
        self.dice = dice
        self.deltas = _deltas(durations_ms(definitions))
        distinct = any(node.get("agg") == "distinct" for node in walk(definitions))
        self.values = Values(dice, self.deltas, mixed_percent=50 if distinct else 10)
        self.names = _asked_names(definitions)
        self.event_paths = _asked_paths(definitions, EVENT_PATHS)
        self.trait_paths = _asked_paths(definitions, TRAIT_PATHS)
        self.customers = one(dice, (1, 1, 1, 2, 3))
        self.disorder_percent = one(dice, (10, 20, 60))
        self.lags, self.backs, self.partitions = [0], [0], [0]
        if clocks is not None:
            self.lags = _lags(self.deltas, clocks.grace_ms)
            self.backs = sorted({0, 1, clocks.clock_skew_ms}) if clocks.clock_skew_ms else [0]
            self.partitions = one(dice, ([0], [0], [0, 1], [0, 1, 2]))

    def plan(self) -> Plan:
        dice = self.dice
        name = one(dice, self.names)
        body = self._body(name)
        if often(dice, self.disorder_percent):
            anchor, delta = one(dice, (1, 2, 3, 4, 6)), one(dice, self.deltas) * one(dice, (1, 0, -1))
        else:
            anchor, delta = 0, one(dice, self.deltas)
        customer = dice.below(self.customers)
        return Plan(
            CUSTOMERS[customer],
            name,
            body,
            anchor,
            delta,
            offset=one(dice, OFFSETS) if often(dice, 15) else "Z",
            message=one(dice, ("own", None, None, 1, 2, 256, 257)) if often(dice, 12) else "own",
            odd=(one(dice, BAD) if often(dice, 40) else one(dice, ODD)) if often(dice, 10) else "",
            lag_ms=one(dice, self.lags),
            back_ms=one(dice, self.backs) if often(dice, 10) else 0,
            partition=self.partitions[customer % len(self.partitions)],
        )

    def _body(self, name: str) -> dict[str, Any]:
        body = _event_body(self.values.body(self.event_paths))
        if "name" in self.event_paths and often(self.dice, 30):
            body["name"] = self.values.value("text")
            if often(self.dice, 50):
                body.setdefault("properties", {})["name"] = None
        if name == "identify":
            traits = self.values.body(self.trait_paths)
            for path in self.trait_paths:
                if often(self.dice, 10):
                    traits[path.partition(".")[0]] = None
            asked = body.get("traits")
            body["traits"] = traits | (asked if isinstance(asked, dict) else {})
        return body


def _lags(deltas: list[int], grace_ms: int) -> list[int]:
    """Return how long after its own time the broker takes an event: mostly at once, also late, also before it."""
    late = [grace_ms + delta for delta in deltas]
    return [0, 1, grace_ms // 2, 5 * grace_ms + 5, -1, -500, -2000, -2001, -70_000, *late, *[0] * len(late)]


def _asked_names(definitions: Tree) -> list[str]:
    """Return names for events: those that the definitions count, as often as they do, and one of each other."""
    asked: list[str] = []
    for node in walk(definitions):
        for names in (node.get("event", []), node.get("on", [])):
            asked += names if isinstance(names, list) else [names]
        asked += ["identify"] if "trait" in node else []
    return [one for one in asked if one != "*"] * 3 + list(EVENTS) + ["screen", "group", "alias", "page"]


def _asked_paths(definitions: Tree, known: Mapping[str, str]) -> dict[str, str]:
    """Return those of the known paths that any condition reads."""
    asked = {str(node["of"]) for node in walk(definitions) if "of" in node}
    asked |= {str(node["trait"]) for node in walk(definitions) if isinstance(node.get("trait"), str)}
    asked |= {key for node in walk(definitions) for key in node}
    return {path: kind for path, kind in known.items() if path in asked}


def _event_body(tree: dict[str, Any]) -> dict[str, Any]:
    """Share out what paths reach: `context`, `traits` and `properties` to the event, the rest to its properties."""
    own = {key: tree.pop(key) for key in ("context", "traits", "type") if key in tree}
    own.pop("type", None)
    properties = tree.pop("properties", {})
    if isinstance(properties, dict):
        tree |= properties
    return own | ({"properties": tree} if tree else {})


def make_history(
    dice: Dice, definitions: Tree, clocks: Clocks | None = None, lengths: Sequence[int] = LENGTHS
) -> list[Record]:
    """Make the records of a few customers for these definitions; ticks and broker's times where they matter."""
    planner = Planner(dice, definitions, clocks)
    writer = Writer()
    for _ in range(one(dice, lengths)):
        writer.write(planner.plan())
        if clocks is not None and often(dice, 10):
            writer.tick(writer.broker_ms + one(dice, planner.deltas), one(dice, planner.partitions))
    if clocks is not None and often(dice, 70):
        due = one(dice, writer.times) + one(dice, planner.deltas)
        writer.tick(due + clocks.grace_ms + clocks.clock_skew_ms + one(dice, (1, 0)), one(dice, planner.partitions))
    return writer.records


@st.composite
def histories(
    draw: Callable[[st.SearchStrategy[int]], int], definitions: Tree, clocks: Clocks | None = None
) -> list[Record]:
    """Draw the records of a few customers for these definitions; with `clocks`, a log with the broker's times."""
    return make_history(HypothesisDice(draw), definitions, clocks)
