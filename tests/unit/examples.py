"""Examples for the laws: conditions of every kind whose durations are milliseconds, and histories that meet them."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from rules.load import load_text
from rules.membership import SegmentUnit
from state.engine import Engine
from state.event import Event
from tests.oracle.customer import Customer, Plan
from tests.oracle.wire import Event as OracleEvent
from tests.strategies.scripted import CLUSTERS, NUMBERS, Scripted

if TYPE_CHECKING:
    from state.profile import Profile

CONDITIONS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "all": (
        {"all": [{"did": {"event": "A", "within": "20ms"}}, {"did": {"event": "B", "within": "30ms"}}]},
        {"all": []},
    ),
    "any": (
        {"any": [{"did": {"event": "A", "within": "20ms"}}, {"since_last": {"event": "B", "gte": "15ms"}}]},
        {"any": []},
    ),
    "not": ({"not": {"did": {"event": "A", "times": {"gte": 2}, "within": "25ms"}}},),
    "did": (
        {"did": {"event": "A"}},
        {"did": {"event": "A", "within": "20ms"}},
        {"did": {"event": ["A", "B"], "times": {"gte": 3}, "within": "40ms"}},
        {"did": {"event": "*", "times": {"lt": 3}, "within": "20ms"}},
        {"did": {"event": "A", "times": {"between": [2, 3]}, "within": "60ms"}},
        {"did": {"event": "A", "times": {"ne": 2}, "within": "30ms", "where": {"v": {"gte": 3}}}},
        {"did": {"event": "A", "times": {"in": [0, 2]}}},
    ),
    "total": (
        {"total": {"event": "A", "of": "v", "agg": "sum", "within": "30ms", "gte": 6}},
        {"total": {"event": "A", "of": "v", "agg": "avg", "within": "30ms", "lt": 4}},
        {"total": {"event": "A", "of": "v", "agg": "min", "within": "40ms", "lte": 2}},
        {"total": {"event": "A", "of": "v", "agg": "max", "within": "25ms", "between": [4, 6]}},
        {"total": {"event": ["A", "B"], "of": "tag", "agg": "distinct", "within": "30ms", "gte": 2}},
        {"total": {"event": "A", "of": "tag", "agg": "first", "within": "30ms", "eq": "x"}},
        {"total": {"event": "A", "of": "tag", "agg": "last", "within": "30ms", "ne": "x"}},
        {"total": {"event": "A", "of": "v", "agg": "sum", "gt": 20}},
        {"total": {"event": "A", "of": "tag", "agg": "distinct", "eq": 3}},
        {"total": {"event": "A", "of": "tag", "agg": "last", "in": ["x", "z"]}},
    ),
    "since_last": (
        {"since_last": {"event": "A", "gte": "15ms"}},
        {"since_last": {"event": "A", "gt": "15ms", "lte": "30ms"}},
        {"since_last": {"event": ["A", "B"], "not_in": ["5ms", "6ms"]}},
    ),
    "since_first": (
        {"since_first": {"event": "A", "between": ["50ms", "90ms"]}},
        {"since_first": {"event": "B", "ne": "40ms"}},
    ),
    "sequence": (
        {"sequence": {"steps": [{"event": "A"}, {"event": "B", "within": "12ms"}], "within": "20ms"}},
        {"sequence": {"steps": [{"event": "A"}, {"event": "A", "after": "10ms", "within": "25ms"}], "within": "15ms"}},
        {"sequence": {"steps": [{"event": "A"}, {"event": "B"}, {"event": "A", "where": {"v": {"gte": 3}}}]}},
    ),
    "then_not": (
        {"then_not": {"event": "A", "but": {"event": "B"}, "wait": "10ms", "within": "25ms"}},
        {"then_not": {"event": "B", "but": {"event": "A", "where": {"v": {"lt": 3}}}, "wait": "0s"}},
    ),
    "trait": (
        {"trait": {"plan": "pro"}},
        {"trait": {"since": {"within_last": "30ms"}}},
        {"trait": {"since": {"older_than": "20ms"}, "plan": {"ne": "free"}}},
    ),
    "in_segment": (
        {"in_segment": "other"},
        {"in_segment": {"key": "other", "at_least": "10ms"}},
        {"not": {"in_segment": {"key": "set.left", "at_least": "15ms"}}},
    ),
    "score": ({"score": {"model": "churn", "gte": 0.5}},),
    "cluster": ({"cluster": {"model": "taste", "is": "bargains"}}, {"not": {"in_segment": "taste.c2"}}),
    "chance": ({"chance": {"salt": "x", "lt": 0.5}},),
}  # fmt: skip

SEGMENTS: Final[list[dict[str, Any]]] = [
    {"key": "other", "when": {"did": {"event": "B", "within": "25ms"}}},
    {"key": "right", "when": {"did": {"event": "A", "times": {"gte": 2}, "within": "30ms"}}},
]
SEGMENTATIONS: Final = [{"key": "set", "segments": ["right"], "otherwise": "left"}]
START_MS: Final = 1_767_225_600_000
FEATURES: Final = {
    "count": {"did": {"event": "A", "within": "30ms"}},
    "quiet": {"since_last": {"event": "*"}, "unit": "ms", "missing": 0},
}
SAMPLED: Final = {"on": "A", "every": "40ms", "silent_for": "80ms"}
MODELS: Final[list[dict[str, Any]]] = [
    {
        "key": "churn", "kind": "propensity", "sample": SAMPLED, "features": FEATURES, "rescore": "11ms",
        "target": {"event": "A", "within": "35ms"},
    },
    {
        "key": "taste", "kind": "clusters", "k": 2, "sample": SAMPLED, "features": FEATURES, "rescore": "17ms",
        "as_segmentation": True, "labels": {"c1": "bargains"},
    },
]  # fmt: skip
SCORERS: Final = {"churn": Scripted(1, NUMBERS), "taste": Scripted(2, CLUSTERS)}


@dataclass(frozen=True)
class Example:
    """One condition, in a ruleset as the segment `probe`."""

    kind: str
    number: int
    condition: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.kind}[{self.number}]"

    @property
    def tree(self) -> dict[str, Any]:
        return rules_with(self.condition)


EXAMPLES: Final = [
    Example(kind, number, condition)
    for kind, conditions in CONDITIONS.items()
    for number, condition in enumerate(conditions)
]


def rules_with(*conditions: dict[str, Any]) -> dict[str, Any]:
    """Return definitions in which each condition is a segment, `probe`, `probe1` and so on."""
    probes = [{"key": f"probe{number or ''}", "when": condition} for number, condition in enumerate(conditions)]
    tree: dict[str, Any] = {"segments": probes + SEGMENTS, "segmentations": SEGMENTATIONS}
    text = json.dumps(probes)
    asked = [model for model in MODELS if model["key"] in text]
    return tree | ({"models": asked} if asked else {})


@cache
def _engine(text: str) -> Engine:
    return Engine(load_text(text, json=True), max_late_ms=40, scorers=dict(SCORERS))


def engine_of(tree: dict[str, Any]) -> Engine:
    """Return an engine of these definitions; sequences take what is at most 40 ms late."""
    return _engine(json.dumps(tree))


def probe(engine: Engine, key: str = "probe") -> Any:
    """Return the check of a segment's `when`."""
    unit = next(unit for unit in engine.units if unit.key == key)
    assert isinstance(unit, SegmentUnit)
    return unit.when


def history(seed: int, customer: str = "c1", length: int = 36) -> list[Event]:
    """Return events a few milliseconds apart, some at equal times, some late."""
    draw = random.Random(seed)
    now, events = START_MS + 100, []
    for number in range(length):
        now += draw.choice((0, 1, 1, 2, 3, 5, 8, 13, 30))
        ts = now - draw.choice((0, 0, 0, 0, 1, 4, 20, 45))
        kind = draw.choice(("track", "track", "track", "track", "identify"))
        name = draw.choice("AAABBC") if kind == "track" else kind
        body: dict[str, Any] = {"type": kind, "userId": customer}
        if kind == "track":
            body |= {"event": name, "properties": {"v": draw.randrange(8), "tag": draw.choice("xyz")}}
        else:
            body["traits"] = {
                "plan": draw.choice(("pro", "free", None)),
                "since": _stamp(now + draw.randrange(-30, 30)),
            }
        events.append(Event(customer, name, kind, ts, ts, body, f"{customer}-{number}"))
    return events


def _stamp(ms: int) -> str:
    return f"2026-01-01T00:00:{(ms - START_MS) // 1000:02d}.{(ms - START_MS) % 1000:03d}Z"


def twin(tree: dict[str, Any], customer: str = "c1") -> Customer:
    """Return the same customer as the naive evaluator knows them."""
    return Customer(Plan(tree, 40), customer)


def apply_to_twin(naive: Customer, event: Event) -> None:
    """Apply an event to the naive evaluator's customer, as the engine applied it."""
    same = OracleEvent(event.customer, event.name, event.type, event.ts, event.message_id, event.body)
    naive.apply(same, event.ts, event.floor, SCORERS)


def fresh(engine: Engine, customer: str = "c1") -> Profile:
    """Return a new profile."""
    return engine.new(customer)
