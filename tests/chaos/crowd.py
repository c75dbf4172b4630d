"""Customers and what they do next, from a seed: hot ones, late events, repeats, and records that are no events."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from rules.dates import format_ms

if TYPE_CHECKING:
    from random import Random

NAMES = ("Viewed", "Clicked", "Added", "Ordered", "page", "identify")
OFTEN = (30, 30, 12, 12, 8, 8)
REPEATS = 8
"""How many of a customer's latest events may be sent again."""


class Sending(NamedTuple):
    """One record: `partition` None is the one of its key."""

    key: bytes | None
    value: bytes | None
    partition: int | None = None


class Crowd:
    """Some customers: the first of them does most of it, the last comes back after seconds."""

    def __init__(self, random: Random, customers: list[str], partitions: int) -> None:
        """Begin with nobody seen."""
        self._random = random
        self._customers = customers
        self._shares = list(accumulate(1 / rank for rank in range(1, len(customers) + 1)))
        self._partitions = partitions
        self._number = 0
        self._latest: dict[str, deque[bytes]] = {customer: deque(maxlen=REPEATS) for customer in customers}

    def next(self, now_ms: int) -> Sending:
        """Return what is sent now."""
        [customer] = self._random.choices(self._customers, cum_weights=self._shares)
        chance = self._random.random()
        if chance < 0.015:
            return self._bad(customer, now_ms)
        if chance < 0.06 and self._latest[customer]:
            return Sending(customer.encode(), self._random.choice(self._latest[customer]))
        value = orjson.dumps(self._event(customer, now_ms))
        self._latest[customer].append(value)
        return Sending(customer.encode(), value)

    def _event(self, customer: str, now_ms: int) -> dict[str, Any]:
        [name] = self._random.choices(NAMES, OFTEN)
        self._number += 1
        event: dict[str, Any] = {"type": "track", "userId": customer}
        if self._random.random() < 0.95:
            event["messageId"] = f"{customer}-{self._number}"
        if (at_ms := self._at_ms(now_ms)) is not None:
            event["timestamp"] = format_ms(at_ms)
        match name:
            case "identify":
                event |= {"type": "identify", "traits": self._traits(now_ms)}
            case "page":
                event |= {"type": "page", "name": "Home", "properties": {}}
            case _:
                event |= {"event": name, "properties": self._properties()}
        return event

    def _at_ms(self, now_ms: int) -> int | None:
        """Return when it happened: mostly now, sometimes not said, late, or ahead."""
        chance = self._random.random()
        if chance < 0.70:
            return now_ms
        if chance < 0.80:
            return None
        if chance < 0.92:
            return now_ms - self._random.randrange(1, 3_000)
        if chance < 0.95:
            return now_ms - self._random.randrange(3_000, 300_000)
        if chance < 0.99:
            return now_ms + self._random.randrange(1, 800)
        return now_ms + 7_200_000  # too far ahead: taken at the broker's time

    def _properties(self) -> dict[str, Any]:
        return {
            "device": self._random.choice(["phone", "tablet", "desktop"]),
            "value": self._random.choice([5, 19.99, 40, 75.5, "60", None]),
            "product": {"id": self._random.randrange(6)},
        }

    def _traits(self, now_ms: int) -> dict[str, Any]:
        begins_ms = now_ms + self._random.randrange(-2_000, 2_500)
        traits = {"plan": self._random.choice(["free", "pro", "team", None]), "trial_begins": format_ms(begins_ms)}
        return {name: traits[name] for name in traits if self._random.random() < 0.7}

    def _bad(self, customer: str, now_ms: int) -> Sending:
        """Return a record that must be rejected, and must cost itself only."""
        good = self._event(customer, now_ms)
        key, value = customer.encode(), orjson.dumps(good)
        return self._random.choice(
            [
                Sending(key, value[:-1]),
                Sending(key, orjson.dumps(good | {"timestamp": "yesterday"})),
                Sending(key, orjson.dumps(good | {"type": "traffic"})),
                Sending(key, orjson.dumps(good | {"userId": "somebody else"})),
                Sending(key, b""),
                Sending(key, None),
                Sending(key, b"[1e400]"),
                Sending(key, orjson.dumps(good | {"properties": {"much": "x" * 66_000}})),
                Sending(
                    key, orjson.dumps(good | {"type": "identify", "traits": dict.fromkeys(map(str, range(300)), 1)})
                ),
                Sending(None, value, self._random.randrange(self._partitions)),
            ]
        )
