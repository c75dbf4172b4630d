"""Comparisons that no value can ever meet, or every value does: a slip of the pen, so a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.comparisons import Model
from rules.conditions import Condition
from rules.matching import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_HOLDS: Final = "never holds"
ORDERED: Final = ("gt", "gte", "lt", "lte", "between")


def idle_comparisons(model: Model, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, text) of such comparisons in a condition, but not in the conditions inside it."""
    for name, value in model.given().items():
        here = f"{path}.{name}" if path else name
        yield from _inside(value, here)
        if name in ("in", "not_in") and value == []:
            yield here, f"{'never' if name == 'in' else 'always'} holds: the list is empty"
        elif name in ORDERED and any(isinstance(bound, bool) for bound in _bounds(value)):
            yield here, f"{NEVER_HOLDS}: true and false have no order; write eq"
        elif name == "between" and len({kind_of(bound) for bound in value}) > 1:
            yield here, f"{NEVER_HOLDS}: the bounds are of two kinds; write two numbers, or two texts"
        elif name == "between" and _reversed(value):
            yield here, f"{NEVER_HOLDS}: the first bound is above the second; swap them"


def _inside(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Model) and not isinstance(value, Condition):
        yield from idle_comparisons(value, path)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _inside(one, f"{path}.{key}")
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _inside(one, f"{path}[{index}]")


def _bounds(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _reversed(bounds: list[Any]) -> bool:
    low, high = bounds
    return bool(low > high)
