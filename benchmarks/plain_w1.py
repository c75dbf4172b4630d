"""W1 as a plain Faust agent: a table of what is known of each customer, looked at again with each event.

    python plain_w1.py worker -l warn --without-web

Written the obvious way: nothing of Faust's is worked around, nothing is made slow on purpose. The table's changelog
goes to the broker as usual; the table itself is in memory.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from benchmarks.plain import change_topic, counted, event_topic, plain_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

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


def main() -> None:
    """Run the worker."""
    app = plain_app()
    events, changes = event_topic(app), change_topic(app)
    customers = app.Table("customers", partitions=8, key_type=str)

    @app.agent(events)
    async def segment(stream: AsyncIterable[dict[str, Any]]) -> None:
        async for event in counted(app, stream):
            customer_id = event["userId"]
            customers[customer_id], crossed = step(customers.get(customer_id), event)
            for name, entered in crossed:
                change = {"customer_id": customer_id, "segment": name, "change": "entered" if entered else "exited"}
                await changes.send(key=customer_id.encode(), value=change)

    app.main()


if __name__ == "__main__":
    main()
