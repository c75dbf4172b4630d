"""Values out of events, in the three forms that aggregates take: numbers, scalars, and hashes of distinct ones."""

from __future__ import annotations

import hashlib
import math
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from rules.paths import SAFE_INTEGER, event_values, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.features import Total

MILLION: Final = 1_000_000
_EXACT_BELOW: Final = 1e9


def millionths(number: Any) -> int:
    """Return a number in whole millionths: the shortest decimal that reads back as the double, half to even."""
    if type(number) is int:
        return number * MILLION
    double: float = number
    if -_EXACT_BELOW < double < _EXACT_BELOW:
        # The product is off by less than 0.13 here (2^-24 of the double, times 10^6, and 2^-4 of the product), so one
        # this near to a whole number rounds to it.
        scaled = double * 1e6
        nearest = math.floor(scaled + 0.5)  # round() is a call where this is compiled
        if -0.25 < scaled - nearest < 0.25:  # noqa: PLR2004 - half of the way to the nearest tie
            return nearest
    with localcontext(prec=800):
        return int((Decimal(repr(number)) * MILLION).to_integral_value(ROUND_HALF_EVEN))


def sum_millionths(numbers: list[Any]) -> int:
    """Return the sum of numbers in whole millionths."""
    total = 0
    for number in numbers:
        total += millionths(number)
    return total


def divide_half_even(dividend: int, divisor: int) -> int:
    """Return the quotient of integers rounded half to even; `divisor` is above 0."""
    quotient, twice = dividend // divisor, dividend % divisor * 2
    return quotient + 1 if twice > divisor or (twice == divisor and quotient & 1) else quotient


def hash_scalar(value: Any) -> int:
    """Return 63 bits that are the same for equal values (1 and 1.0) and differ between kinds (1 and true)."""
    if type(value) is str:
        text = f"s{value}"
    elif type(value) is bool:
        text = f"b{value}"
    else:
        text = f"n{float(value) + 0.0!r}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _numbers(values: tuple[Any, ...]) -> list[Any]:
    return [value for value in values if type(value) is float or type(value) is int]


def _scalars(values: tuple[Any, ...]) -> list[Any]:
    return [value for value in values if type(value) in (str, int, float, bool)]


def _hashes(values: tuple[Any, ...]) -> list[Any]:
    return [hash_scalar(value) for value in _scalars(values)]


_MOST_TEXTS: Final = 16_384
_text_hashes: Final[dict[str, Any]] = {}
"""Emptied when full, so memory stays bounded."""


def _hash_text(text: str) -> Any:
    """Return `hash_scalar` of a text, remembered: most texts come again."""
    found = _text_hashes.get(text)
    if found is None:
        if len(_text_hashes) >= _MOST_TEXTS:
            _text_hashes.clear()
        found = _text_hashes[text] = hash_scalar(text)
    return found


_FORMS: Final[dict[str, Callable[[tuple[Any, ...]], list[Any]]]] = {
    "numbers": _numbers,
    "scalars": _scalars,
    "distinct": _hashes,
}


class ValueReader:
    """Reads a total's values out of events' bodies."""

    __slots__ = ("_distinct", "_form", "_numbers", "_only_step", "_read")

    def __init__(self, spec: Total) -> None:
        """Keep where they are, and what is made of them."""
        steps = parse_path(spec.of)
        self._read, self._form = event_values(steps), _FORMS[spec.values]
        self._only_step = steps[0] if len(steps) == 1 else None
        self._numbers = spec.values == "numbers"
        self._distinct = spec.values == "distinct"

    def read(self, body: dict[str, Any]) -> list[Any]:
        """Return an event's values, in their order."""
        properties: dict[str, Any] | None = body.get("properties")
        if properties is not None and self._only_step is not None:
            # One number or text in `properties`, as most events have it, comes to this.
            value: Any = properties.get(self._only_step)
            kind = type(value)
            if kind is str:
                if self._distinct:
                    return [_hash_text(value)]
                if not self._numbers:
                    return [value]
            elif not self._distinct and (kind is float or (kind is int and -SAFE_INTEGER <= value <= SAFE_INTEGER)):
                return [value]
        return self._form(self._read(body))
