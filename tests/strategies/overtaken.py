"""Random cases in which events come so late that timers have scored their customer beyond them already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.strategies.pools import Dice, few, often, one
from tests.strategies.writer import Plan, Writer

if TYPE_CHECKING:
    from tests.oracle import Record

WINDOWS_MS = (7, 5, 9, 11, 20)
LAGS_MS = (0, 0, 4, 12, 20, 40)


def overtaken_definitions(dice: Dice) -> dict[str, Any]:
    """Make one model that is scored again often, and segments that want its score and something else in time."""
    features: dict[str, Any] = {
        "since": {"since_first": {"event": "buy"}, "unit": "ms", "missing": 0, "bins": [one(dice, WINDOWS_MS)]},
        "age": {"trait": "age"},
        "buys": {"did": {"event": "buy", "within": f"{one(dice, WINDOWS_MS)}ms"}},
    }
    model = {
        "key": "m",
        "kind": "anomaly",
        "sample": {"on": "buy", "every": "13ms", "silent_for": f"{one(dice, (26, 40, 13))}ms"},
        "rescore": f"{one(dice, (8, 6, 10, 13))}ms",
        "features": {key: features[key] for key in few(dice, list(features), 1, 3)},
    }
    return {"models": [model], "segments": [_segment(dice, key) for key in "ba"[: 1 + dice.below(2)]]}


def _segment(dice: Dice, key: str) -> dict[str, Any]:
    score = {"score": {"model": "m", one(dice, ("gte", "lt")): 0.5}}
    within = f"{one(dice, WINDOWS_MS)}ms"
    in_time = one(
        dice,
        (
            {"did": {"event": "buy", "within": within}},
            {"since_last": {"event": "buy", "lt": within}},
            {"since_first": {"event": "buy", "gte": within}},
        ),
    )
    return {"key": key, "when": {one(dice, ("all", "any")): [score, in_time]}}


def overtaken_history(dice: Dice) -> list[Record]:
    """Make the records of one customer, whose timers run ahead of them."""
    writer = Writer()
    for _ in range(2 + dice.below(6)):
        name = one(dice, ("buy", "view", "identify"))
        body = {"traits": {"age": one(dice, (1, 2))}} if name == "identify" else {}
        delta = dice.below(12) if often(dice, 80) else -dice.below(12)
        writer.write(Plan("c1", name, body, 0, delta, lag_ms=one(dice, LAGS_MS)))
    return writer.records
