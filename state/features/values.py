"""Values out of events, in the three forms that aggregates take: numbers, scalars, and hashes of distinct ones."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from rules.paths import SAFE_INTEGER, event_values, parse_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.features import Total

MILLION: Final = 1_000_000
_EXACT_BELOW: Final = 1e9


def millionths(number: float) -> int:
    """Return a number in whole millionths: the shortest decimal that reads back as the double, half to even."""
    if type(number) is int:
        return number * MILLION
    if -_EXACT_BELOW < number < _EXACT_BELOW:
        # The product is off by less than 0.13 here (2^-24 of the double, times 10^6, and 2^-4 of the product), so one
        # this near to a whole number rounds to it.
        scaled = number * 1e6
        nearest = round(scaled)
        if -0.25 < scaled - nearest < 0.25:  # noqa: PLR2004 - half of the way to the nearest tie
            return nearest
    with localcontext(prec=800):
        return int((Decimal(repr(number)) * MILLION).to_integral_value(ROUND_HALF_EVEN))


def divide_half_even(dividend: int, divisor: int) -> int:
    """Return the quotient of integers rounded half to even; `divisor` is above 0."""
    quotient, rest = divmod(dividend, divisor)
    twice = 2 * rest
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


_hash_text = lru_cache(maxsize=16_384)(hash_scalar)


def _same(value: Any) -> Any:
    return value


def _double(value: int) -> int | float:
    return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else float(value)


_PLAIN: Final[dict[str, dict[type, Callable[[Any], Any]]]] = {
    "numbers": {float: _same, int: _double},
    "scalars": {float: _same, int: _double, str: _same},
    "distinct": {str: _hash_text},
}
"""What each form makes of one value of these types."""

_EMPTY: Final[dict[str, Any]] = {}

_FORMS: Final[dict[str, Callable[[tuple[Any, ...]], list[Any]]]] = {
    "numbers": _numbers,
    "scalars": _scalars,
    "distinct": _hashes,
}


def value_reader(spec: Total) -> Callable[[dict[str, Any]], list[Any]]:
    """Return what reads a total's values out of an event's body, in their order."""
    steps = parse_path(spec.of)
    read, form = event_values(steps), _FORMS[spec.values]
    if len(steps) > 1:
        return lambda body: form(read(body))
    first, plain = steps[0], _PLAIN[spec.values]

    def read_one(body: dict[str, Any]) -> list[Any]:
        # One number or text in `properties`, as most events have it, comes to this.
        value = (body.get("properties") or _EMPTY).get(first)
        as_it_is = plain.get(type(value))
        return [as_it_is(value)] if as_it_is is not None else form(read(body))

    return read_one
