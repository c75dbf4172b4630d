"""W1 as a plain Faust agent: a table of what is known of each customer, looked at again with each event.

    python plain_w1.py worker -l warn --without-web

Written the obvious way: nothing of Faust's is worked around, nothing is made slow on purpose. The table's changelog
goes to the broker as usual; the table itself is in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.plain import change_topic, counted, event_topic, plain_app
from benchmarks.w1_step import step

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


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
