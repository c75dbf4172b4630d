"""Durations, dates, paths and comparisons, as the segment language defines them."""

from __future__ import annotations

import datetime as dt
import functools
import re
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import re2

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)")
_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


@functools.lru_cache(maxsize=4096)
def duration_ms(text: str) -> int:
    """Read `90d`, `1.5s`: a number and a unit, a whole number of milliseconds."""
    match = _DURATION.fullmatch(text)
    assert match is not None, text
    ms = Decimal(match[1]) * UNITS_MS[match[2]]
    assert ms == int(ms), text
    return int(ms)


@functools.lru_cache(maxsize=65536)
def date_time_ms(text: str) -> int | None:
    """Read an RFC 3339 date-time with an offset, cut to UTC milliseconds; None where it is none."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = int(match[4]), int(match[5]), int(match[6])
    offset_h, offset_m = int(match[9] or 0), int(match[10] or 0)
    if hour > 23 or minute > 59 or second > 59 or offset_h > 23 or offset_m > 59:
        return None
    try:
        day = dt.date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    ms = int((match[7] or "").ljust(3, "0")[:3])
    offset = (offset_h * 60 + offset_m) * (-1 if match[8] == "-" else 1)
    return (((day * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000 + ms


@functools.lru_cache(maxsize=65536)
def date_ms(text: str) -> int | None:
    """Read a date as conditions know it: a date-time with an offset, or YYYY-MM-DD, which is 00:00 UTC."""
    return date_time_ms(text + "T00:00:00Z") if _DATE.fullmatch(text) else date_time_ms(text)


def leaves(tree: Any, steps: list[str]) -> list[Any]:
    """Return every value at the path; a list on the way stands for its elements; null and absent give none."""
    if tree is None:
        return []
    if not steps:
        return [tree]
    if isinstance(tree, list):
        return [leaf for element in tree for leaf in leaves(element, steps)]
    if isinstance(tree, dict):
        return leaves(tree.get(steps[0]), steps[1:])
    return []


def is_number(value: Any) -> bool:
    """Tell a number from everything else, booleans too."""
    return isinstance(value, int | float | Fraction) and not isinstance(value, bool)


@functools.lru_cache(maxsize=65536)
def _exact(value: float) -> Fraction:
    return Fraction(Decimal(repr(value)))


def exact(value: Any) -> Fraction:
    """Return a number as the shortest decimal that reads back as its double."""
    return value if isinstance(value, Fraction) else _exact(float(value))


def micros(value: float) -> int:
    """Round a number half-even to whole millionths."""
    with localcontext(prec=700):
        return int((Decimal(repr(float(value))) * 1_000_000).to_integral_value("ROUND_HALF_EVEN"))


def order(a: Any, b: Any) -> int | None:
    """Return -1, 0 or 1 for two numbers or two strings; None where two values have no order."""
    if is_number(a) and is_number(b):
        a, b = exact(a), exact(b)
    elif not (isinstance(a, str) and isinstance(b, str)):
        return None
    return int(a > b) - int(a < b)


def equal(a: Any, b: Any) -> bool:
    """Tell whether two scalars are equal: 1 is 1.0, a boolean equals only a boolean."""
    if isinstance(a, bool) and isinstance(b, bool):
        return a is b
    return order(a, b) == 0


def _contains(leaf: Any, wanted: Any) -> bool:
    if isinstance(leaf, list):
        return any(equal(element, wanted) for element in leaf)
    return isinstance(leaf, str) and isinstance(wanted, str) and wanted in leaf


def _date_meets(op: str, leaf: Any, wanted: str, t: int) -> bool:
    at = date_ms(leaf) if isinstance(leaf, str) else None
    if at is None:
        return False
    if op == "within_last":
        return t - duration_ms(wanted) < at <= t
    if op == "older_than":
        return at <= t - duration_ms(wanted)
    bound = date_ms(wanted)
    assert bound is not None, wanted
    return at < bound if op == "before" else at > bound


def _ordered(op: str, leaf: Any, wanted: Any) -> bool:
    sign = order(leaf, wanted)
    if sign is None:
        return False
    return {"gt": sign > 0, "gte": sign >= 0, "lt": sign < 0, "lte": sign <= 0}[op]


def _text_meets(op: str, leaf: Any, wanted: str) -> bool:
    if not isinstance(leaf, str):
        return False
    if op == "starts_with":
        return leaf.startswith(wanted)
    if op == "ends_with":
        return leaf.endswith(wanted)
    return re2.search(wanted, leaf) is not None


def leaf_meets(op: str, leaf: Any, wanted: Any, t: int) -> bool:
    """Tell whether one value meets one positive comparison at the instant `t`."""
    match op:
        case "eq":
            return equal(leaf, wanted)
        case "gt" | "gte" | "lt" | "lte":
            return _ordered(op, leaf, wanted)
        case "between":
            return _ordered("gte", leaf, wanted[0]) and _ordered("lte", leaf, wanted[1])
        case "in":
            return any(equal(leaf, one) for one in wanted)
        case "contains":
            return _contains(leaf, wanted)
        case "starts_with" | "ends_with" | "matches":
            return _text_meets(op, leaf, wanted)
        case "before" | "after" | "within_last" | "older_than":
            return _date_meets(op, leaf, wanted, t)
    raise AssertionError(op)


OPPOSITE = {"ne": "eq", "not_in": "in", "not_contains": "contains"}


def meets(found: list[Any], comparison: Any, t: int) -> bool:
    """Tell whether the values at a path meet a comparison: each of its operators by itself, any value will do."""
    operators = comparison if isinstance(comparison, dict) else {"eq": comparison}
    return all(_operator_meets(op, found, wanted, t) for op, wanted in operators.items())


def _operator_meets(op: str, found: list[Any], wanted: Any, t: int) -> bool:
    if op == "exists":
        return bool(found) is wanted
    if op in OPPOSITE:
        return not _operator_meets(OPPOSITE[op], found, wanted, t)
    return any(leaf_meets(op, leaf, wanted, t) for leaf in found)
