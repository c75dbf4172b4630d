"""Random histories for given definitions: what the definitions ask of, at the times at which they turn.

Each record is first a *plan* that stands by itself (so that a failing case shrinks well), then made real in order:
its time is taken from an earlier record's time and the definitions' durations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.oracle import Record
from tests.oracle.definitions import durations_ms, walk
from tests.strategies.pools import EVENT_PATHS, EVENTS, MIDNIGHT_MS, TRAIT_PATHS, Dice, HypothesisDice, often, one
from tests.strategies.values import OFFSETS, Values, timestamp

Tree = Mapping[str, Any]
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 10, 12, 12, 14, 14, 16, 16, 18, 20, 24)  # it shrinks to the left
CUSTOMERS = ("c1", "c2", "ü-3")
TICK = ("segue-tick", b"1")


@dataclass(frozen=True)
class Plan:
    """One record to be: whose, what, and when, reckoned from the newest time (or from an earlier record's)."""

    customer: str
    name: str
    body: Mapping[str, Any]
    anchor: int  # 0: the newest time so far; n: the time of the nth record before
    delta_ms: int
    offset: str = "Z"
    message: str | int | None = None  # "own", an earlier record's place counted back, or none
    odd: str = ""
    lag_ms: int = 0


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


class Planner:
    """Draws plans for definitions."""

    def __init__(self, dice: Dice, definitions: Tree, *, live: bool, grace_ms: int) -> None:
        self.dice = dice
        self.deltas = _deltas(durations_ms(definitions))
        distinct = any(node.get("agg") == "distinct" for node in walk(definitions))
        self.values = Values(dice, self.deltas, mixed_percent=50 if distinct else 10)
        self.names = _asked_names(definitions)
        self.event_paths = _asked_paths(definitions, EVENT_PATHS)
        self.trait_paths = _asked_paths(definitions, TRAIT_PATHS)
        self.customers = CUSTOMERS[: one(dice, (1, 1, 1, 2, 3))]
        self.disorder_percent = one(dice, (10, 20, 60))
        self.lags = _lags(self.deltas, grace_ms) if live else [0]

    def plan(self) -> Plan:
        dice = self.dice
        name = one(dice, self.names)
        body = self._body(name)
        if often(dice, self.disorder_percent):
            anchor, delta = one(dice, (1, 2, 3, 4, 6)), one(dice, self.deltas) * one(dice, (1, 0, -1))
        else:
            anchor, delta = 0, one(dice, self.deltas)
        return Plan(
            one(dice, self.customers),
            name,
            body,
            anchor,
            delta,
            offset=one(dice, OFFSETS) if often(dice, 15) else "Z",
            message=one(dice, ("own", None, None, 1, 2)) if often(dice, 12) else "own",
            odd=(one(dice, BAD) if often(dice, 40) else one(dice, ODD)) if often(dice, 10) else "",
            lag_ms=one(dice, self.lags),
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
    return [0, 0, 0, 1, grace_ms, grace_ms + 1, grace_ms // 2, 5 * grace_ms + 5, -1, -500, -2001, -70_000, *deltas[-2:]]


def _asked_names(definitions: Tree) -> list[str]:
    """Return names for events: those that the definitions count, as often as they do, and one of each other."""
    asked: list[str] = []
    for node in walk(definitions):
        names = node.get("event", [])
        asked += names if isinstance(names, list) else [names]
        asked += ["identify"] if "trait" in node else []
    return [one for one in asked if one != "*"] * 3 + list(EVENTS) + ["screen", "group", "alias", "page"]


def _asked_paths(definitions: Tree, known: Mapping[str, str]) -> dict[str, str]:
    """Return those of the known paths that any condition reads."""
    asked = {str(node["of"]) for node in walk(definitions) if "of" in node}
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


# From plans to records


class Writer:
    """Writes planned records one after the other."""

    def __init__(self, *, live: bool) -> None:
        self.live = live
        self.records: list[Record] = []
        self.times = [MIDNIGHT_MS - 5000]
        self.broker_ms = self.times[0]

    def write(self, plan: Plan) -> None:
        """Make one planned record real."""
        anchor = max(self.times) if plan.anchor == 0 else self.times[-min(plan.anchor, len(self.times))]
        ts = anchor + plan.delta_ms
        sent = [one for one in self.records if one.value][-max(plan.anchor, 1) :]
        if plan.odd == "resend" and sent:
            key, value = sent[0].key, sent[0].value
        else:
            key, value = self._key(plan), _value_bytes(self._event(plan, ts), plan.odd)
        self.times.append(ts)
        self.broker_ms = max(self.broker_ms, ts + plan.lag_ms)
        self.records.append(Record(value, key, self.broker_ms))

    def tick(self, delta_ms: int) -> None:
        """Write what a worker writes to read the broker's time."""
        self.broker_ms += delta_ms
        self.records.append(Record(b"", None, self.broker_ms, headers=(TICK,)))

    def _key(self, plan: Plan) -> bytes | None:
        if plan.odd == "no_key":
            return None
        if plan.odd == "wrong_key":
            return plan.customer.encode() + b"x"
        return (plan.customer if plan.odd != "long_id" else "i" * 257).encode()

    def _event(self, plan: Plan, ts: int) -> dict[str, Any]:
        track = plan.name in ("buy", "view", "cart")
        event: dict[str, Any] = {"type": "track", "event": plan.name} if track else {"type": plan.name}
        event["userId"] = plan.customer
        event["timestamp"] = timestamp(ts, plan.offset)
        if plan.message is not None:
            back = 0 if plan.message == "own" else int(plan.message)
            event["messageId"] = f"m{max(len(self.records) - back, 0)}"
        return event | dict(plan.body) | _odd_fields(plan)


def _odd_fields(plan: Plan) -> dict[str, Any]:
    """Return what makes an event odd but still good, or bad."""
    fields: dict[str, dict[str, Any]] = {
        "array_properties": {"properties": ["x"]},
        "string_traits": {"traits": "plan"},
        "empty_message": {"messageId": ""},
        "number_message": {"messageId": 5},
        "both_ids": {"anonymousId": "other"},
        "number_user_id": {"userId": 7, "anonymousId": plan.customer},
        "unknown_field": {"sentAt": 5, "integrations": {"All": True}},
        "no_id": {"userId": None, "anonymousId": ""},
        "no_type": {"type": None},
        "unknown_type": {"type": "Track"},
        "no_name": {"type": "track", "event": ""},
        "date_only": {"timestamp": "2026-03-01"},
        "leap": {"timestamp": "2026-03-01T00:00:60Z"},
        "number_time": {"timestamp": MIDNIGHT_MS},
        "no_timestamp": {"timestamp": None},
        "long_id": {"userId": "i" * 257},
        "many_traits": {"type": "identify", "traits": {f"t{place}": place for place in range(257)}},
        "too_large": {"context": {"x": "x" * 65_536}},
    }
    return fields.get(plan.odd, {})


def _value_bytes(event: dict[str, Any], odd: str) -> bytes:
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    front = {
        "nan": b'{"x":NaN,',
        "surrogate": b'{"x":"\\ud800",',
        "huge_number": b'{"x":[-1e400],',
        "twice_the_key": b'{"timestamp":"never","userId":"other",',
    }
    if odd in front:
        return front[odd] + data[1:]
    return {"not_json": data[:-1], "array": b"[" + data + b"]", "empty": b""}.get(odd, data)


def make_history(dice: Dice, definitions: Tree, *, live: bool, grace_ms: int) -> list[Record]:
    """Make the records of a few customers for these definitions."""
    planner = Planner(dice, definitions, live=live, grace_ms=grace_ms)
    writer = Writer(live=live)
    for _ in range(one(dice, LENGTHS)):
        writer.write(planner.plan())
        if live and often(dice, 10):
            writer.tick(one(dice, planner.deltas))
    if live and often(dice, 60):
        writer.tick(one(dice, planner.deltas) + grace_ms)
    return writer.records


@st.composite
def histories(
    draw: Callable[[st.SearchStrategy[int]], int], definitions: Tree, *, live: bool = False, grace_ms: int = 1000
) -> list[Record]:
    """Draw the records of a few customers for these definitions; with `live`, broker times that matter, and ticks."""
    return make_history(HypothesisDice(draw), definitions, live=live, grace_ms=grace_ms)
