"""Planned records made real, one after the other: as bytes, with a key, a broker's time and a partition."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.oracle import Record
from tests.strategies.pools import MIDNIGHT_MS
from tests.strategies.values import timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    lag_ms: int = 0  # how long after `ts` the broker takes it
    back_ms: int = 0  # how far this broker's clock is behind that of the one before
    partition: int = 0


class Writer:
    """Writes planned records one after the other."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.times = [MIDNIGHT_MS - 5000]
        self.broker_ms = self.times[0]

    def write(self, plan: Plan) -> None:
        """Make one planned record real."""
        anchor = max(self.times) if plan.anchor == 0 else self.times[-min(plan.anchor, len(self.times))]
        ts = anchor + plan.delta_ms
        sent = [one for one in self.records if one.value][-max(plan.anchor, 1) :]
        if plan.odd == "resend" and sent:
            key, value, partition = sent[0].key, sent[0].value, sent[0].partition
        else:
            key, value, partition = self._key(plan), _value_bytes(self._event(plan, ts), plan.odd), plan.partition
        self.times.append(ts)
        self.broker_ms = max(self.broker_ms, ts + plan.lag_ms)
        self.records.append(Record(value, key, self.broker_ms - plan.back_ms, partition))

    def tick(self, at_ms: int, partition: int) -> None:
        """Write what a worker writes to read the broker's time."""
        self.broker_ms = max(self.broker_ms, at_ms)
        self.records.append(Record(b"", None, self.broker_ms, partition, headers=(TICK,)))

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
