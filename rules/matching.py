"""Comparisons as tests of a value, or of the values at a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt
from typing import Any, Final

import re2

from rules.dates import parse_date
from rules.paths import SAFE_INTEGER

Test = Callable[[Any], bool]


def _double(value: float) -> int | float:
    if isinstance(value, int) and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return float(value)
    return value


def kind_of(value: Any) -> str:
    """Return which kind a JSON value is for comparing: boolean, number, string, or other."""
    kind = type(value)
    if kind is bool:
        return "boolean"
    if kind is int or kind is float:
        return "number"
    return "string" if kind is str else "other"


OPPOSITES: Final = {"ne": "eq", "not_in": "in", "not_contains": "contains"}


RE2_QUIET: Any = re2.Options()
RE2_QUIET.log_errors = False
"""RE2 reports a faulty pattern once, as the exception."""


def equals(operand: Any) -> Test:
    """Return the test of equality: same kind, same value; 1 equals 1.0, a boolean only a boolean."""
    kind = kind_of(operand)
    if kind == "boolean":
        return lambda value: value is operand
    if kind == "string":
        return lambda value: type(value) is str and value == operand
    number = _double(operand)
    return lambda value: value == number and type(value) is not bool and type(value) is not str


def _ordered(operand: Any, compare: Callable[[Any, Any], bool]) -> Test:
    if isinstance(operand, str):
        return lambda value: type(value) is str and compare(value, operand)
    if isinstance(operand, bool):  # true and false have no order
        return lambda _value: False
    number = _double(operand)
    # kind_of, written out: this is the test that events meet most often
    return lambda value: (type(value) is int or type(value) is float) and compare(value, number)


def _among(operands: Iterable[Any]) -> Test:
    tests = [equals(operand) for operand in operands]
    return lambda value: any(test(value) for test in tests)


def _contains(operand: Any) -> Test:
    same = equals(operand)

    def test(value: Any) -> bool:
        if type(value) is list:
            return any(same(_double(item) if type(item) is int else item) for item in value)
        return type(value) is str and isinstance(operand, str) and operand in value

    return test


def _matches(pattern: str) -> Test:
    search = re2.compile(pattern, RE2_QUIET).search
    return lambda value: type(value) is str and search(value) is not None


def _dated(test: Callable[[int], bool]) -> Test:
    def dated(value: Any) -> bool:
        ms = parse_date(value)
        return ms is not None and test(ms)

    return dated


def positive_test(operator: str, operand: Any) -> Test:  # noqa: C901, PLR0912 - one line an operator
    """Return the test of one value for one positive operator (not for `ne`, `not_in`, `not_contains`)."""
    match operator:
        case "eq":
            return equals(operand)
        case "gt":
            return _ordered(operand, gt)
        case "gte":
            return _ordered(operand, ge)
        case "lt":
            return _ordered(operand, lt)
        case "lte":
            return _ordered(operand, le)
        case "between":
            low, high = positive_test("gte", operand[0]), positive_test("lte", operand[1])
            return lambda value: low(value) and high(value)
        case "in":
            return _among(operand)
        case "contains":
            return _contains(operand)
        case "starts_with":
            return lambda value: type(value) is str and value.startswith(operand)
        case "ends_with":
            return lambda value: type(value) is str and value.endswith(operand)
        case "matches":
            return _matches(operand)
        case "exists":
            return lambda _value: True
        case "before":
            return _dated(lambda ms: ms < operand)
        case "after":
            return _dated(lambda ms: ms > operand)
        case _:
            message = f"{operator!r} is no comparison of one value"
            raise AssertionError(message)


def values_test(ops: dict[str, Any]) -> Callable[[tuple[Any, ...]], bool]:
    """Return the test of the values at a path: any value may meet a positive operator, none the opposite ones.

    Each operator is taken over the whole path on its own; relative dates are not for this.
    """
    wanted: list[tuple[bool, Test]] = []
    for operator, operand in ops.items():
        if operator in OPPOSITES:
            wanted.append((False, positive_test(OPPOSITES[operator], operand)))
        elif operator == "exists":
            wanted.append((operand, positive_test("exists", operand)))
        else:
            wanted.append((True, positive_test(operator, operand)))
    if len(wanted) == 1 and wanted[0][0]:
        only = wanted[0][1]
        return lambda values: any(map(only, values))
    return lambda values: all(any(map(test, values)) is expected for expected, test in wanted)


def value_test(ops: dict[str, Any]) -> Test:
    """Return the test of one present value against all the operators."""
    test = values_test(ops)
    if len(ops) == 1:
        operator, operand = next(iter(ops.items()))
        if operator not in OPPOSITES and operator != "exists":
            return positive_test(operator, operand)
    return lambda value: test((value,))
