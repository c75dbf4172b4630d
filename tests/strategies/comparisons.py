"""Random comparisons, each against values that histories hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.values import duration_ms
from tests.strategies.pools import DATES, NUMBERS, PATTERNS, TEXTS, Draw, few, often, one

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = (0, 1, 2, 3, 0.3, 2.5)
ORDERED = ("gte", "gt", "lte", "lt")


def _number(draw: Draw) -> Any:
    op = one(draw, ("eq", *ORDERED, *ORDERED, "ne", "between", "in", "not_in"))
    if op == "between":
        return {op: sorted(few(draw, SMALL, 2, 2))}
    if op in ("in", "not_in"):
        return {op: few(draw, NUMBERS, 1, 3)}
    return {op: one(draw, NUMBERS if often(draw, 30) else SMALL)}


def _text(draw: Draw) -> Any:
    ops = ("eq", "ne", "contains", "not_contains", "starts_with", "ends_with", "matches", "in", "not_in", *ORDERED)
    op = one(draw, (*ops, "between"))
    if op == "between":
        return {op: sorted(few(draw, TEXTS, 2, 2))}
    if op in ("in", "not_in"):
        return {op: few(draw, TEXTS, 1, 3)}
    return {op: one(draw, PATTERNS if op == "matches" else TEXTS)}


def _flag(draw: Draw) -> Any:
    return {one(draw, ("eq", "ne")): one(draw, (True, False))}


def _list(draw: Draw) -> Any:
    return {one(draw, ("contains", "not_contains")): one(draw, (*TEXTS[:4], 1, 2.0, True))}


def _date(draw: Draw, relative: Sequence[str]) -> Any:
    if relative and often(draw, 70):
        return {one(draw, ("within_last", "older_than")): one(draw, relative)}
    return {one(draw, ("before", "after")): one(draw, DATES)}


def comparison(draw: Draw, kind: str, relative: Sequence[str] = ()) -> Any:
    """Draw a comparison for a path of this kind; `relative` are the durations for relative dates, where allowed."""
    if often(draw, 12):
        return {"exists": often(draw, 60)}
    if often(draw, 6):
        kind = one(draw, ("number", "text", "flag", "list", "date"))
    makers = {"number": _number, "text": _text, "flag": _flag, "list": _list}
    made = _date(draw, relative) if kind == "date" else makers[kind](draw)
    if often(draw, 10):
        made = (_date(draw, relative) if kind == "date" else makers[kind](draw)) | made
    if "eq" in made and len(made) == 1 and often(draw, 50):
        return made["eq"]
    return made


def total_comparison(draw: Draw, agg: str, kind: str) -> dict[str, Any]:
    """Draw the comparison of a `total`, which stands beside its other keys and has no plain form."""
    if agg == "distinct":
        return {one(draw, (*ORDERED, "eq", "ne")): one(draw, (1, 2, 3))}
    if agg in ("first", "last"):
        made = comparison(draw, kind if kind != "list" else "text")
        return made if isinstance(made, dict) else {"eq": made}
    made = _number(draw)
    return made if isinstance(made, dict) else {"eq": made}


def duration_comparison(draw: Draw, durations: Sequence[str]) -> dict[str, Any]:
    """Draw a comparison of a time with durations."""
    op = one(draw, (*ORDERED, *ORDERED, "gte", "between", "eq", "ne"))
    if op == "between" and len(durations) > 1:
        return {op: sorted(few(draw, durations, 2, 2), key=duration_ms)}
    return {"gte" if op == "between" else op: one(draw, durations)}
