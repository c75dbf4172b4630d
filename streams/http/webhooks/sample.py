"""What `test` sends: a change of a customer whom there is none of, in the form that real ones have."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import orjson

from rules.dates import format_ms
from state.webhooks.endpoints import ALL_SEGMENTS

if TYPE_CHECKING:
    from state.webhooks.endpoints import Endpoint

CUSTOMER = "segue-test"
_SEGMENT = "sample"


def sample(endpoint: Endpoint, now_ms: int) -> tuple[str, bytes]:
    """Return (delivery id, body) of a sample; `data.test` tells it from real ones."""
    identity, at = f"test_{secrets.token_hex(12)}", format_ms(now_ms)
    named = next((name for name in endpoint.segments if name != ALL_SEGMENTS), _SEGMENT)
    segmentation, _, segment = named.rpartition(".")
    change = {
        "id": identity,
        "customer_id": CUSTOMER,
        "seq": 1,
        "change": endpoint.changes[0],
        "segment": segment,
        "segmentation": segmentation or None,
        "other": None,
        "at": at,
        "emitted_at": at,
        "cause": {"type": "event", "event": "Webhook Tested", "message_id": identity},
        "because": [],
        "segments": [named] if endpoint.changes[0] == "entered" else [],
        "ruleset": "test",
        "test": True,
    }
    if endpoint.traits:
        change["traits"] = {name: "c@example.com" if name == "email" else "sample" for name in endpoint.traits}
    return identity, orjson.dumps({"type": f"segment.{endpoint.changes[0]}", "timestamp": at, "data": change})
