"""Random cases in which the windows of `total` hold more than 256 values, and panes leave in place of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.definitions import walk
from tests.oracle.panes import PANES
from tests.oracle.values import duration_ms
from tests.strategies.pools import Dice, few, often, one
from tests.strategies.writer import Plan, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.oracle import Record

WITHINS = ("640ms", "1s", "100ms", "63ms", "6400ms", "1ms")
LENGTHS = (1, 2, 60, 100, 128, 255, 256, 257)
BOUNDS = (1, 2, 60, 100, 128, 200, 256, 257, 300, 400, 513)


def crowded_definitions(dice: Dice) -> dict[str, Any]:
    """Make segments of one total each; some share their window."""
    withins = few(dice, WITHINS, 1, 2)
    return {"segments": [{"key": key, "when": {"total": _total(dice, withins)}} for key in "badc"[: 1 + dice.below(4)]]}


def _total(dice: Dice, withins: list[str]) -> dict[str, Any]:
    agg = one(dice, ("sum", "avg", "min", "max", "distinct", "first", "last", "sum"))
    bounds: tuple[float, ...] = BOUNDS if agg == "sum" else (1, 2, 3, 1.5)
    op = one(dice, ("gte", "lt", "gt", "lte", "eq", "ne"))
    return {"event": "buy", "of": "l.n", "agg": agg, "within": one(dice, withins), op: one(dice, bounds)}


def _deltas(definitions: Mapping[str, Any]) -> list[int]:
    """Return steps in time that land on the ends of panes and of windows."""
    steps = {0, 1}
    for within in {duration_ms(node["within"]) for node in walk(definitions) if "within" in node}:
        pane = -(-within // PANES)
        steps |= {pane, within // 2, within, within + pane, 2 * within + 2 * pane}
    return sorted({step + by for step in steps for by in (-1, 0, 1) if step + by >= 0})


def crowded_history(dice: Dice, definitions: Mapping[str, Any]) -> list[Record]:
    """Make the records of one customer, each with a list of values; some late, now and then none at all."""
    deltas, writer = _deltas(definitions), Writer()
    for _ in range(2 + dice.below(12)):
        late = often(dice, 25)
        few_values = few(dice, (1, 2, 3, 1.5), 1, 3)
        values = [{"n": few_values[place % len(few_values)]} for place in range(one(dice, LENGTHS))]
        body = {"properties": {"l": values}}
        anchor, sign = (one(dice, (1, 2, 3)), one(dice, (0, 1, -1))) if late else (0, 1)
        name = "view" if often(dice, 15) else "buy"
        writer.write(Plan("c1", name, body, anchor, sign * one(dice, deltas), lag_ms=one(dice, (0, 0, *deltas))))
    return writer.records
