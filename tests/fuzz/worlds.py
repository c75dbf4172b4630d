"""A world: a thousand records of some dozens of customers, good and bad; the same for the same seed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from rules.dates import format_ms
from tests.fuzz.cuts import CUTS
from tests.fuzz.originals import FULL, bought
from tests.fuzz.trees import MUTATIONS, SELDOM, copied
from tests.fuzz.writing import write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzz.originals import Tree

BEGIN_MS = 1_740_787_200_000
"""2025-03-01: everything is long past, so no timer of a live worker hangs in the balance while a test runs."""

DAY_MS = 86_400_000
STEP_MS = 37_001
SIZE = 1_000
CUSTOMERS = 120
TICK = (("segue-tick", b""),)


@dataclass(frozen=True)
class Sent:
    """A record: `at_ms` is its timestamp, the producer's own where `create_time`. `made_by` names its mutations."""

    value: bytes | None
    key: bytes | None
    at_ms: int = BEGIN_MS
    create_time: bool = False
    headers: Sequence[tuple[str, bytes]] = field(default=())
    made_by: str = ""

    def __str__(self) -> str:
        value = self.value if self.value is None or len(self.value) <= 2_000 else self.value[:2_000] + b"..."
        return f"key={self.key!r} at={self.at_ms} headers={list(self.headers)} ({self.made_by})\n    {value!r}"


def world(seed: int, number: int, size: int = SIZE) -> list[Sent]:
    """Return the records of world `number`."""
    dice = Random(f"{seed}/{number}")
    return [_sent(dice, number, place) for place in range(size)]


def _sent(dice: Random, number: int, place: int) -> Sent:
    now_ms = BEGIN_MS + place * STEP_MS
    customer = f"w{number}c{dice.randrange(CUSTOMERS)}"
    event, made_by = _event(dice, customer, now_ms), []
    chance = dice.random()
    if chance < 0.61:
        event = copied(event)
    if chance < 0.6:
        for mutate in dice.choices(MUTATIONS, k=dice.choice((1, 1, 1, 2, 4))):
            mutate(dice, event)
            made_by.append(mutate.__name__)
    elif chance < 0.61:
        mutate = dice.choice(SELDOM)
        mutate(dice, event)
        made_by.append(mutate.__name__)
    value = write(event)
    if chance > 0.85 or dice.random() < 0.05:
        for cut in dice.choices(CUTS, k=dice.choice((1, 1, 1, 2))):
            value = cut(dice, value)
            made_by.append(cut.__name__)
    key = _named(value) or customer.encode() if made_by else customer.encode()
    sent = Sent(value, key, now_ms, made_by=" ".join(made_by))
    return _on_the_wire(dice, sent) if dice.random() < 0.04 else sent


def _named(value: bytes) -> bytes | None:
    """Return the customer that a value names; None where that cannot be read, or not so easily."""
    try:
        tree = json.loads(value)
        names = tree.get("userId"), tree.get("anonymousId")
        return next((name.encode() for name in names if isinstance(name, str) and name), None)
    except (ValueError, RecursionError, AttributeError):
        return None


def _event(dice: Random, customer: str, now_ms: int) -> Tree:
    if dice.random() < 0.3:
        event = dict(dice.choice(bought()))
    else:
        event = dict(dice.choice(FULL))
        event["timestamp"] = format_ms(now_ms - dice.choice((0, 0, 1, DAY_MS, dice.randrange(90 * DAY_MS))))
        if dice.random() < 0.1:
            del event["timestamp"]
    event["userId"] = customer
    event["messageId"] = f"m-{dice.randrange(10**9) if dice.random() < 0.9 else dice.randrange(5)}"
    return event


def _on_the_wire(dice: Random, sent: Sent) -> Sent:
    """Change what stands around the value: key, headers, time."""
    match dice.randrange(9):
        case 0 | 1:
            keys = (None, b"", b"\xff\xfe", b"\x00", b"x" * 70_000, (sent.key or b"") + b" ", (sent.key or b"").upper())
            return replace(sent, key=dice.choice(keys), made_by=f"{sent.made_by} key")
        case 2:
            return replace(sent, value=dice.choice((None, b"")), made_by=f"{sent.made_by} no_value")
        case 3:
            return replace(sent, key=None, value=dice.choice((None, b"", b"x")), headers=TICK, made_by="tick")
        case 4:
            return replace(sent, headers=TICK, made_by=f"{sent.made_by} tick_header")
        case 5:
            names = (
                ("", b""),
                ("error", b"\xff"),
                ("\U0001f600", b"x" * 9_000),
                ("topic", b"other"),
                ("offset", b"-1"),
            )
            return replace(sent, headers=tuple(dice.choices(names, k=3)), made_by=f"{sent.made_by} headers")
    times = (-1, -(2**63), 0, 1, 2**63 - 1, 4_102_444_800_000, sent.at_ms + 10 * DAY_MS)
    return replace(sent, at_ms=dice.choice(times), create_time=True, made_by=f"{sent.made_by} create_time")
