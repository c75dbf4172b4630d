"""What random definitions and histories are made of; both draw from here, so that the ones meet the others."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Protocol, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

EVENTS = ("buy", "view", "cart", "page", "identify")
# A ruleset's durations are mostly of one scale, or those of one part would drown those of the other.
SCALES = (
    ("1s", "1.5s", "2s", "3s", "5s", "10s"),
    ("1ms", "2ms", "3ms", "5ms", "10ms"),
    ("1m", "90s", "1h", "2h", "1d", "2d"),
    ("1ms", "5ms", "1s", "1.5s", "1m", "1d"),
)

# The history begins a little before midnight, so that a date alone (00:00 UTC) is a boundary too.
MIDNIGHT_MS = 1_772_323_200_000
DATE = "2026-03-01"
DATES = (DATE, "2026-03-01T00:00:01Z", "2026-03-01t01:00:00.0019+01:00", "2026-02-28")

NUMBERS = (0, 1, 2, 3, 5, 0.1, 0.2, 0.3, 2.5, -1, 0.0000005, 0.0000015, 1e-7, -0.0, 100.000001, 9007199254740993)
TEXTS = ("x", "xy", "yx", "X", "", "é", "2", DATE)
PATTERNS = ("x", "^x", "y$", "^(x|y)+$", "(?i)x", "[^x]", "")

# Paths of events and of traits, with the kind of value that mostly stands there.
EVENT_PATHS = {
    "n": "number",
    "s": "text",
    "f": "flag",
    "d": "date",
    "tags": "list",
    "items.qty": "number",
    "items.sku": "text",
    "items": "list",
    "deep.er.n": "number",
    "name": "text",
    "context.n": "number",
    "properties.n": "number",
    "traits.plan": "text",
    "type": "text",
}
TRAIT_PATHS = {
    "plan": "text",
    "age": "number",
    "vip": "flag",
    "joined": "date",
    "renews": "date",
    "tags": "list",
    "address.city": "text",
    "orders.n": "number",
    "orders.at": "date",
}


class Dice(Protocol):
    """Where chance comes from: hypothesis, which can shrink what it drew, or a seed, which is twenty times as fast."""

    def below(self, bound: int) -> int:
        """Return a number from 0 up to, and without, `bound`; smaller is simpler."""
        ...


class HypothesisDice:
    """Draws from hypothesis."""

    def __init__(self, draw: Callable[[st.SearchStrategy[int]], int]) -> None:
        self._draw = draw

    def below(self, bound: int) -> int:
        return self._draw(st.integers(0, bound - 1))


class SeededDice:
    """Draws from a seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return int(self._random.random() * bound)


def one(dice: Dice, options: Sequence[T]) -> T:
    """Draw one of several."""
    return options[dice.below(len(options))]


def often(dice: Dice, percent: int) -> bool:
    """Draw true in so many cases of a hundred; false is simpler."""
    return dice.below(100) >= 100 - percent


def few(dice: Dice, options: Sequence[T], least: int, most: int) -> list[T]:
    """Draw a few different ones, in any order."""
    left = list(options)
    count = least + dice.below(min(most, len(left)) - least + 1)
    return [left.pop(dice.below(len(left))) for _ in range(count)]
