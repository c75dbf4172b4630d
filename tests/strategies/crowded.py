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
    """Make segments of one total each; some share their window, with each other or with a model's feature."""
    withins = few(dice, WITHINS, 1, 2)
    tree: dict[str, Any] = {
        "segments": [{"key": key, "when": {"total": _total(dice, withins)}} for key in "badc"[: 1 + dice.below(4)]]
    }
    return tree | {"models": [_model(dice, withins)]} if often(dice, 40) else tree


def _model(dice: Dice, withins: list[str]) -> dict[str, Any]:
    total = {"event": "buy", "of": "l.n", "within": one(dice, withins)}
    every = max(1, duration_ms(total["within"]) // 2)
    return {
        "key": "m",
        "kind": "anomaly",
        "sample": {"on": "buy", "every": f"{every}ms", "silent_for": f"{every * 5}ms"},
        "rescore": f"{every * 5}ms",
        "features": {
            agg: {"total": {**total, "agg": agg}} for agg in few(dice, ("sum", "avg", "max", "distinct"), 1, 3)
        },
    }


def crowd_of_events(dice: Dice) -> tuple[dict[str, Any], list[Record]]:
    """Make a model that counts a window of more than 256 events, and the samples until all have left it."""
    within = one(dice, (640, 300, 1000, 257))
    features = {"buys": {"did": {"event": "buy", "within": f"{within}ms"}}, "all": {"did": {"event": "*"}}}
    sampling = {"every": f"{within // 20}ms", "silent_for": f"{3 * within}ms"}
    model = {"key": "m", "kind": "anomaly", "sample": sampling, "rescore": f"{within}ms", "features": features}
    writer = Writer()
    for _ in range(250 + dice.below(60)):
        writer.write(Plan("c1", "buy", {}, 0, one(dice, (0, 1, 1, 1)) - 3 * often(dice, 5)))
    writer.write(Plan("c1", "buy", {}, 0, one(dice, (within // 2, within, 2 * within))))
    return {"models": [model]}, writer.records


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
