"""Random values: what stands at a path of an event or of a customer's traits."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from tests.strategies.pools import DATES, MIDNIGHT_MS, NUMBERS, TEXTS, Dice, few, often, one

if TYPE_CHECKING:
    from collections.abc import Mapping

STRANGE: tuple[Any, ...] = (None, True, 1, "2", 2, False, [], [1, "x"], {"a": 1}, [None], 1.0, "1")
NO_DATES = ("2026-02-30", "tomorrow", "2026-03-01T00:00:60Z", "2026-03-01T00:00:00", "")
OTHERS: tuple[list[Any], ...] = ([], [{}], [{"qty": 2, "sku": "xy", "n": 2}], [[{"qty": 1, "n": 3}], None])
OFFSETS = ("Z", "Z", "Z", "z", "+00:00", "+02:00", "-11:30")


def timestamp(ms: int, offset: str) -> str:
    """Write an instant as RFC 3339 with this offset; `z` stands for lower-case letters and more digits than ms."""
    sign = -1 if offset.startswith("-") else 1
    hours, minutes = (int(offset[1:3]), int(offset[4:])) if offset[1:] else (0, 0)
    local = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
        milliseconds=ms, minutes=sign * (hours * 60 + minutes)
    )
    text = local.strftime("%Y-%m-%dT%H:%M:%S")
    if offset == "z":
        return f"{text.lower()}.{local.microsecond // 1000:03d}999z"
    fraction = f".{local.microsecond // 1000:03d}" if local.microsecond else ""
    return text + fraction + offset


class Values:
    """Draws values; the numbers of one case are few, so that sums and bounds meet."""

    def __init__(self, dice: Dice, deltas: list[int], *, mixed_percent: int) -> None:
        self.dice = dice
        self.deltas = deltas
        self.numbers: list[Any] = few(dice, NUMBERS, 1, 4) if often(dice, 50) else [0, 1, 2, 3]
        if often(dice, mixed_percent):
            self.numbers = [1, True, 2, "1"]
        self.strange_percent = one(dice, (8, 8, 35))

    def value(self, kind: str) -> Any:
        """Draw a value, mostly of this kind."""
        if often(self.dice, self.strange_percent):
            return one(self.dice, STRANGE)
        match kind:
            case "number":
                return one(self.dice, self.numbers)
            case "text":
                return one(self.dice, TEXTS)
            case "flag":
                return one(self.dice, (True, False))
            case "list":
                return few(self.dice, ("x", "xy", 1, 2.5, True, "é"), 0, 3)
        if often(self.dice, 30):
            return one(self.dice, (*DATES, *NO_DATES))
        return timestamp(MIDNIGHT_MS + one(self.dice, self.deltas), one(self.dice, OFFSETS))

    def body(self, paths: Mapping[str, str]) -> dict[str, Any]:
        """Draw an object that has values at most of these paths, some of them in lists of objects."""
        tree: dict[str, Any] = {}
        for path, kind in paths.items():
            if often(self.dice, 70):
                _place(tree, path.split("."), self.value(kind))
        for key, value in tree.items():
            if isinstance(value, dict) and often(self.dice, 55):
                tree[key] = [value, *one(self.dice, OTHERS)]
        return tree


def _place(tree: dict[str, Any], steps: list[str], value: Any) -> None:
    """Put a value at a path, unless something else than an object stands in the way."""
    *way, last = steps
    for step in way:
        tree = tree.setdefault(step, {})
        if not isinstance(tree, dict):
            return
    tree[last] = value
