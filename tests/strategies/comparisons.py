"""Random comparisons, each against values that histories hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.values import duration_ms
from tests.strategies.pools import DATES, NUMBERS, PATTERNS, TEXTS, Dice, few, often, one

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = (0, 1, 2, 3, 0.3, 2.5)
SUMS = (0.3, 0.6, 1, 3, 2, 0, 0.000002, 0.000001, 4, 5)
AVERAGES = (0.333333, 0.666667, 1.333333, 0.5, 1, 0.000001, 0)
ORDERED = ("gte", "gt", "lte", "lt")


def _number(dice: Dice) -> dict[str, Any]:
    op = one(dice, ("eq", *ORDERED, *ORDERED, "ne", "between", "in", "not_in"))
    if op == "between":
        return {op: sorted(few(dice, SMALL, 2, 2))}
    if op in ("in", "not_in"):
        return {op: few(dice, NUMBERS, 1, 3)}
    return {op: one(dice, NUMBERS if often(dice, 30) else SMALL)}


def _text(dice: Dice) -> Any:
    ops = ("eq", "ne", "contains", "not_contains", "starts_with", "ends_with", "matches", "in", "not_in", *ORDERED)
    op = one(dice, (*ops, "between"))
    if op == "between":
        return {op: sorted(few(dice, TEXTS, 2, 2))}
    if op in ("in", "not_in"):
        return {op: few(dice, TEXTS, 1, 3)}
    return {op: one(dice, PATTERNS if op == "matches" else TEXTS)}


def _flag(dice: Dice) -> Any:
    return {one(dice, ("eq", "ne")): one(dice, (True, False))}


def _list(dice: Dice) -> Any:
    return {one(dice, ("contains", "not_contains")): one(dice, (*TEXTS[:4], 1, 2.0, True))}


def _date(dice: Dice, relative: Sequence[str]) -> Any:
    if relative and often(dice, 70):
        return {one(dice, ("within_last", "older_than")): one(dice, relative)}
    return {one(dice, ("before", "after")): one(dice, DATES)}


def comparison(dice: Dice, kind: str, relative: Sequence[str] = ()) -> Any:
    """Draw a comparison for a path of this kind; `relative` are the durations for relative dates, where allowed."""
    if often(dice, 12):
        return {"exists": often(dice, 60)}
    if often(dice, 6):
        kind = one(dice, ("number", "text", "flag", "list", "date"))
    makers = {"number": _number, "text": _text, "flag": _flag, "list": _list}
    made = _date(dice, relative) if kind == "date" else makers[kind](dice)
    if often(dice, 10):
        made = (_date(dice, relative) if kind == "date" else makers[kind](dice)) | made
    if "eq" in made and len(made) == 1 and often(dice, 50):
        return made["eq"]
    return made


def total_comparison(dice: Dice, agg: str, kind: str) -> dict[str, Any]:
    """Draw the comparison of a `total`, which stands beside its other keys and has no plain form."""
    if agg == "distinct":
        return {one(dice, (*ORDERED, "eq", "ne")): one(dice, (1, 2, 3))}
    if agg in ("first", "last"):
        made = comparison(dice, kind if kind != "list" else "text")
        return made if isinstance(made, dict) else {"eq": made}
    if agg in ("sum", "avg") and often(dice, 50):
        return {one(dice, ("eq", "gte", "gt", "lt", "lte", "ne")): one(dice, SUMS if agg == "sum" else AVERAGES)}
    return _number(dice)


def duration_comparison(dice: Dice, durations: Sequence[str]) -> dict[str, Any]:
    """Draw a comparison of a time with durations."""
    op = one(dice, (*ORDERED, *ORDERED, "gte", "between", "eq", "ne"))
    if op == "between" and len(durations) > 1:
        return {op: sorted(few(dice, durations, 2, 2), key=duration_ms)}
    return {"gte" if op == "between" else op: one(dice, durations)}
