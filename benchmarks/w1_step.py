"""W1's work on one event, as every peer in Python does it; it imports nothing that a peer's own environment lacks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

MONTH_MS = timedelta(days=30) // timedelta(milliseconds=1)

Customer = dict[str, Any]


def step(customer: Customer | None, event: dict[str, Any]) -> tuple[Customer, list[tuple[str, bool]]]:
    """Return what is known of the customer after the event, and (segment, whether it was entered) for each change."""
    customer = customer or {"orders": [], "total": 0.0, "segments": []}
    seen = customer["seen"] = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
    if event.get("event") == "Order Completed":
        customer["orders"] = [*customer["orders"], seen][-3:]
        customer["total"] = round(customer["total"] + event["properties"]["total"], 2)
    now = ["active"]
    if len(customer["orders"]) == 3 and customer["orders"][0] > seen - MONTH_MS:
        now.append("frequent")
    if customer["total"] >= 500:
        now.append("big")
    before, customer["segments"] = customer["segments"], now
    changes = [(segment, False) for segment in before if segment not in now]
    return customer, changes + [(segment, True) for segment in now if segment not in before]
