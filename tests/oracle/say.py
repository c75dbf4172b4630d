"""Short hand for hand-made cases: seconds since a fixed midnight in, readable crossings out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.oracle.replay import expected_live, expected_replay
from tests.oracle.wire import TYPES, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIDNIGHT_MS = 1_772_323_200_000  # 2026-03-01T00:00:00Z
CUSTOMER = "c1"


def when(condition: str, **more: Any) -> dict[str, Any]:
    """Return definitions with one segment `s` whose condition is this YAML; `more` goes beside it."""
    return {"segments": [{"key": "s", "when": yaml.safe_load(condition), **more}]}


def stamp(second: float) -> str:
    """Write the instant so many seconds after midnight (less than a minute) as a timestamp."""
    return f"2026-03-01T00:00:{second:06.3f}Z"


def event(second: float, kind: str = "buy", **fields: Any) -> dict[str, Any]:
    """Return an event of this name; a name that is a type of its own makes one of that type."""
    named = {"type": kind} if kind in TYPES else {"type": "track", "event": kind}
    return {"userId": CUSTOMER, "timestamp": stamp(second), **named, **fields}


def record(body: Mapping[str, Any], broker: float = 0) -> Record:
    """Return the record that carries an event, taken by the broker so many seconds after midnight."""
    key = str(body.get("userId") or body.get("anonymousId")).encode()
    return Record(json.dumps(body).encode(), key, MIDNIGHT_MS + round(broker * 1000))


def second(ms: int) -> float:
    """Return an instant as seconds after midnight."""
    return (ms - MIDNIGHT_MS) / 1000


def said(
    definitions: Mapping[str, Any], events: Sequence[Mapping[str, Any]], until: float | None = 59, **more: Any
) -> list[str]:
    """Return what a replay says, `12.5 entered s` for each crossing in order."""
    until_ms = None if until is None else MIDNIGHT_MS + round(until * 1000)
    result = expected_replay(definitions, [record(one) for one in events], until_ms=until_ms, **more)
    return [_crossing(change) for change in result.changes]


def said_live(definitions: Mapping[str, Any], events: Sequence[tuple[float, Any]], **more: Any) -> list[str]:
    """Return what a worker says of (broker's second, event) records; an event that is None is a tick."""
    tick = (("segue-tick", b""),)
    records = [
        record(body, at) if body else Record(b"", None, MIDNIGHT_MS + round(at * 1000), headers=tick)
        for at, body in events
    ]
    return [_crossing(change) for change in expected_live(definitions, records, **more).changes]


def _crossing(change: Any) -> str:
    unit = f"{change.segmentation}." if change.segmentation else ""
    return f"{second(change.at):g} {change.change} {unit}{change.segment}"
