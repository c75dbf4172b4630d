"""A shop's backend: its customers look, fill carts and order, and each step is sent with the Segment SDK.

    segue up --rules examples/shop/rules.yaml --ready-file segue.json
    python examples/shop/backend.py segue.json                 # until Ctrl-C; --visits 20 ends after so many

The SDK is Segment's own, with nothing changed but its host: `pip install segment-analytics-python`.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

from segment.analytics.client import Client

CATALOGUE = {"lamp": 39.0, "desk": 249.0, "chair": 89.0, "pen": 2.5}
CUSTOMERS = ("ada", "grace", "linus", "edsger", "barbara")


class Shop:
    """What a shop's code calls where something happens."""

    def __init__(self, host: str, write_key: str) -> None:
        """Point the SDK to segue."""
        self.analytics = Client(write_key, host=host, on_error=_say)

    def signed_up(self, customer: str) -> None:
        """Tell who somebody is."""
        self.analytics.identify(customer, {"email": f"{customer}@shop.example", "plan": "free"})

    def viewed(self, customer: str, product: str) -> None:
        """Tell what somebody looked at."""
        self.analytics.track(customer, "Product Viewed", {"product": product, "price": CATALOGUE[product]})

    def added(self, customer: str, product: str) -> None:
        """Tell what somebody put into the cart."""
        self.analytics.track(customer, "Product Added", {"product": product, "price": CATALOGUE[product]})

    def ordered(self, customer: str, products: list[str]) -> None:
        """Tell what somebody bought."""
        total = sum(CATALOGUE[product] for product in products)
        self.analytics.track(customer, "Order Completed", {"total": total, "products": products})


def visit(shop: Shop, customer: str, chance: random.Random) -> str:
    """Let a customer look at something, perhaps take it, perhaps buy it; return that in words."""
    products = chance.sample(sorted(CATALOGUE), k=chance.randint(1, 3))
    for product in products:
        shop.viewed(customer, product)
    if chance.random() < 0.3:
        return f"{customer} looked at {', '.join(products)}"
    for product in products:
        shop.added(customer, product)
    if chance.random() < 0.4:
        return f"{customer} left {', '.join(products)} in the cart"
    shop.ordered(customer, products)
    return f"{customer} ordered {', '.join(products)}"


def main() -> None:
    """Let customers visit, one after the other."""
    parser = argparse.ArgumentParser(description="A shop whose customers' steps go to segue.")
    parser.add_argument("ready", type=Path, help="what `segue up --ready-file` wrote")
    parser.add_argument("--visits", type=int, default=0, help="how many; 0 goes on until Ctrl-C")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds between two")
    parser.add_argument("--seed", type=int, default=None, help="the same visits every time")
    arguments = parser.parse_args()
    where = json.loads(arguments.ready.read_text())
    shop, chance = Shop(where["http"], where["write_key"]), random.Random(arguments.seed)
    for customer in CUSTOMERS:
        shop.signed_up(customer)
    count = 0
    try:
        while not arguments.visits or count < arguments.visits:
            print(visit(shop, chance.choice(CUSTOMERS), chance), flush=True)
            count += 1
            time.sleep(arguments.pause)
    except KeyboardInterrupt:
        pass
    finally:
        shop.analytics.shutdown()  # sends what is waiting


def _say(error: Exception, events: object) -> None:
    print(f"not sent: {error}", flush=True)


if __name__ == "__main__":
    main()
