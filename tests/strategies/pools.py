"""What random definitions and histories are made of; both draw from here, so that the ones meet the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

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


def one(draw: Draw, options: Sequence[T]) -> T:
    """Draw one of several."""
    chosen: T = draw(st.sampled_from(options))
    return chosen


def often(draw: Draw, percent: int) -> bool:
    """Draw true in so many cases of a hundred; it shrinks to false."""
    return bool(draw(st.integers(0, 99)) >= 100 - percent)


def few(draw: Draw, options: Sequence[T], least: int, most: int) -> list[T]:
    """Draw a few different ones, in any order."""
    chosen: list[T] = draw(st.lists(st.sampled_from(options), min_size=least, max_size=most, unique=True))
    return chosen
