"""The standard ruleset (standard.yaml) as a plain Faust agent: the same 20 segments, looked at again with each event.

    python plain_standard.py worker -l warn --without-web

Written the obvious way: what the segments need is kept in lists, cut to the longest window that reads them, in one
table entry a customer. It has no timers: what time alone brings about (a cart abandoned for an hour) it notices with
the customer's next event. It does without a segue worker's exactness beyond that, too: no duplicates, no late events.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.plain import change_topic, counted, event_topic, plain_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable

Customer = dict[str, Any]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def new_customer() -> Customer:
    """Return what is known of a customer with no event yet; times in milliseconds, lists of times ascending."""
    return {
        "orders": [],  # [time, total] in 90 d
        "order_count": 0,
        "order_sum": 0.0,
        "first_order": None,
        "last_order": None,
        "skus": [],  # [time, sku] of products viewed or added in 7 d
        "last_view": None,
        "last_viewed_product": None,
        "last_added": None,  # [time, total]
        "added_after_viewing": None,
        "bought_after_viewing": None,
        "mails": [],  # times in 14 d
        "last_mail": None,
        "mail_brought": None,
        "chats": [],  # times in 1 d
        "recent": [],  # times of all events in 30 m
        "traits": {},
        "scores": {},
        "since": {},  # segment -> when it was entered
        "lifecycle": None,
    }


def count(customer: Customer, event: dict[str, Any], now: int) -> None:
    """Note an event."""
    customer["recent"] = [ts for ts in customer["recent"] if ts > now - 30 * MINUTE_MS] + [now]
    if event["type"] == "identify":
        customer["traits"].update(event["traits"])
        return
    name, properties = event["event"], event["properties"]
    if name == "Order Completed":
        count_order(customer, properties["total"], now)
    elif name == "Email Opened":
        customer["last_mail"] = now
        customer["mails"] = [ts for ts in customer["mails"] if ts > now - 14 * DAY_MS] + [now]
    elif name == "Chat Started":
        customer["chats"] = [ts for ts in customer["chats"] if ts > now - DAY_MS] + [now]
    else:
        count_visit(customer, name, properties, now)


def count_visit(customer: Customer, name: str, properties: dict[str, Any], now: int) -> None:
    """Note that a page or a product was viewed, or a product added."""
    if name == "Page Viewed":
        customer["last_view"] = now
        if within(customer["last_mail"], now, HOUR_MS + 1):
            customer["mail_brought"] = now
    elif name == "Product Viewed":
        customer["last_view"] = customer["last_viewed_product"] = now
    elif name == "Product Added":
        customer["last_added"] = [now, properties["total"]]
        if within(customer["last_viewed_product"], now, 12 * HOUR_MS + 1):
            customer["added_after_viewing"] = now
    if name in ("Product Viewed", "Product Added"):
        customer["skus"] = [pair for pair in customer["skus"] if pair[0] > now - 7 * DAY_MS] + [
            [now, properties["sku"]]
        ]


def count_order(customer: Customer, total: float, now: int) -> None:
    """Note an order."""
    customer["orders"] = [order for order in customer["orders"] if order[0] > now - 90 * DAY_MS] + [[now, total]]
    customer["order_count"] += 1
    customer["order_sum"] = round(customer["order_sum"] + total, 2)
    customer["first_order"] = now if customer["first_order"] is None else customer["first_order"]
    customer["last_order"] = now
    if within(customer["added_after_viewing"], now, 12 * HOUR_MS + 1):
        customer["bought_after_viewing"] = now


def within(then: int | None, now: int, span_ms: int) -> bool:
    """Return whether an instant is there and less than so long ago."""
    return then is not None and then > now - span_ms


def spent(customer: Customer, now: int, span_ms: int) -> float:
    """Return the sum of the orders in a window."""
    total: float = sum(total for ts, total in customer["orders"] if ts > now - span_ms)
    return round(total, 2)


def stage(c: Customer, now: int) -> str:
    """Return the customer's one stage of life."""
    if c["last_order"] is None:
        return "prospect"
    if now - c["last_order"] >= 90 * DAY_MS:
        return "lapsed"
    if sum(ts > now - 60 * DAY_MS for ts, _ in c["orders"]) >= 3:
        return "loyal"
    return "new_buyer" if now - c["first_order"] < 14 * DAY_MS else "buyer"


def big_spenders(c: Customer, now: int) -> bool:
    """200 in 30 days; out below 200 in 60."""
    days = 60 if "big_spenders" in c["since"] else 30
    return spent(c, now, days * DAY_MS) >= 200


def champions(c: Customer, now: int) -> bool:
    """Loyal, spends much, and looked around this week."""
    loyal = bool(c["lifecycle"] == "loyal")
    return loyal and "big_spenders" in c["since"] and within(c["last_view"], now, 7 * DAY_MS)


def large_orders(c: Customer, now: int) -> bool:
    """80 an order on average."""
    del now
    return bool(c["order_count"] > 0 and c["order_sum"] / c["order_count"] >= 80)


def wide_taste(c: Customer, now: int) -> bool:
    """Five different products in a week."""
    return len({sku for ts, sku in c["skus"] if ts > now - 7 * DAY_MS}) >= 5


def cart_abandoned(c: Customer, now: int) -> bool:
    """In for those who added something an hour to three days ago, and ordered nothing since."""
    if c["last_added"] is None:
        return False
    added = c["last_added"][0]
    if c["last_order"] is not None and c["last_order"] > added:
        return False
    return bool(HOUR_MS <= now - added < 3 * DAY_MS)


def big_cart_abandoned(c: Customer, now: int) -> bool:
    """And what was added last cost 60."""
    del now
    return "cart_abandoned" in c["since"] and bool(c["last_added"][1] >= 60)


def still_abandoned(c: Customer, now: int) -> bool:
    """For a day."""
    return "cart_abandoned" in c["since"] and bool(now - c["since"]["cart_abandoned"] >= DAY_MS)


def bought_after_viewing(c: Customer, now: int) -> bool:
    """In for a view, then a cart, then an order, completed this week."""
    return within(c["bought_after_viewing"], now, 7 * DAY_MS)


def mail_brought_them(c: Customer, now: int) -> bool:
    """In for a mail opened, then a visit within the hour, today."""
    return within(c["mail_brought"], now, DAY_MS)


def busy_now(c: Customer, now: int) -> bool:
    """Five events in half an hour; for ten minutes at least."""
    stays = "busy_now" in c["since"] and bool(now < c["since"]["busy_now"] + 10 * MINUTE_MS)
    return stays or len(c["recent"]) >= 5


def mail_readers(c: Customer, now: int) -> bool:
    """Two mails in a fortnight."""
    return len([ts for ts in c["mails"] if ts > now - 14 * DAY_MS]) >= 2


def quiet_readers(c: Customer, now: int) -> bool:
    """And no order in a month."""
    return "mail_readers" in c["since"] and not within(c["last_order"], now, 30 * DAY_MS)


def needs_help(c: Customer, now: int) -> bool:
    """Two chats in a day, or one that neither an order nor a mail followed."""
    if sum(ts > now - DAY_MS for ts in c["chats"]) >= 2:
        return True
    if not c["chats"]:
        return False
    chat = c["chats"][-1]
    if any(c[other] is not None and c[other] > chat for other in ("last_order", "last_mail")):
        return False
    return bool(2 * HOUR_MS <= now - chat < DAY_MS)


def reachable(c: Customer, now: int) -> bool:
    """Has an address, wants mail, and signed up this year."""
    traits = c["traits"]
    if "email" not in traits or traits.get("newsletter") is not True:
        return False
    signed_up_ms = (date.fromisoformat(traits["signed_up"]).toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS
    return now - 365 * DAY_MS < signed_up_ms <= now


def churn_risk(c: Customer, now: int) -> bool:
    """Likely to leave, or after bargains; and worth keeping. The load brings no scores."""
    at_risk = bool(c["scores"].get("churn", 0.0) >= 0.7 or c["scores"].get("taste") == "bargains")
    return at_risk and any(total >= 50 for ts, total in c["orders"] if ts > now - 90 * DAY_MS)


SEGMENTS: dict[str, Callable[[Customer, int], bool]] = {
    test.__name__: test
    for test in (
        big_spenders, champions, large_orders, wide_taste, cart_abandoned, big_cart_abandoned, still_abandoned,
        bought_after_viewing, mail_brought_them, busy_now, mail_readers, quiet_readers, needs_help, reachable,
        churn_risk,
    )
}  # fmt: skip
"""In an order in which each comes after those it asks about."""


def holdout(customer_id: str) -> bool:
    """One customer in twenty."""
    digest = hashlib.sha256(b"2026\0" + customer_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < 0.05


def step(customer: Customer | None, event: dict[str, Any]) -> tuple[Customer, list[tuple[str, bool]]]:
    """Return what is known of the customer after the event, and (segment, whether it was entered) for each change."""
    customer = customer or new_customer()
    now = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
    count(customer, event, now)
    changes: list[tuple[str, bool]] = []
    before, customer["lifecycle"] = customer["lifecycle"], stage(customer, now)
    if customer["lifecycle"] != before:
        if before is not None:
            changes.append((f"lifecycle.{before}", False))
        changes.append((f"lifecycle.{customer['lifecycle']}", True))
    since = customer["since"]
    for name, test in SEGMENTS.items():
        holds = test(customer, now)
        if holds is not (name in since):
            changes.append((name, holds))
            if holds:
                since[name] = now
            else:
                del since[name]
    if "holdout" not in since and holdout(event["userId"]):
        since["holdout"] = now
        changes.append(("holdout", True))
    return customer, changes


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
