"""Random models of every kind, with features of every source, and the scorers that stand in for what they learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.oracle.values import duration_ms
from tests.strategies.comparisons import comparison
from tests.strategies.pools import EVENT_PATHS, TEXTS, TRAIT_PATHS, Dice, few, often, one
from tests.strategies.scripted import CLUSTERS, NUMBERS, Scripted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.oracle import Record
    from tests.strategies.definitions import Maker

Tree = dict[str, Any]

KINDS = ("propensity", "value", "clusters", "clusters", "anomaly")
SOURCES = (
    *("did", "did", "total", "total", "since_last", "since_first"),
    *("trait_number", "trait_test", "one_of", "in_segment", "in_segment"),
)
BOUNDS = (0, 1, 2, 3, 0.5, 2.5, -1)
MOST_TIMED = 8
"""Samples and scores that a silence brings at most: each is a whole evaluation of the naive evaluator."""


class ModelMaker:
    """Draws models whose features ask about what their ruleset's maker knows."""

    def __init__(self, dice: Dice, maker: Maker) -> None:
        self.dice = dice
        self.maker = maker

    def model(self, key: str) -> Tree:
        """Draw one model."""
        dice, kind = self.dice, one(self.dice, KINDS)
        every = duration_ms(self.maker.duration())
        model: Tree = {"key": key, "kind": kind, "sample": self._sampling(every), "features": self._features()}
        silent_for = duration_ms(model["sample"]["silent_for"])
        rescores = [ms for ms in (every, every + 1, every // 2, every * 2, silent_for) if ms * MOST_TIMED >= silent_for]
        model["rescore"] = f"{max(1, one(dice, rescores))}ms"
        if kind in ("propensity", "value"):
            model["target"] = self.maker.filtered() | {"within": self._within(every)}
        if kind == "value":
            model["target"]["of"] = one(dice, [*self._numbers_of_events(), "n"])
        if kind == "clusters":
            model["k"] = 3
            if often(dice, 60):
                model["as_segmentation"] = True
            if often(dice, 50):
                model["labels"] = {
                    cluster: one(dice, ("First", "Other", "c1")) for cluster in few(dice, CLUSTERS, 1, 2)
                }
        return model

    def _sampling(self, every: int) -> Tree:
        dice = self.dice
        sampling: Tree = {"every": f"{every}ms"}
        if often(dice, 60):
            sampling["on"] = one(dice, self.maker.events) if often(dice, 50) else few(dice, self.maker.events, 1, 2)
            if often(dice, 10):
                sampling["on"] = "*"
        silences = (every * 3, every * 2, every * 5, every, every * 3 + 1, every // 2, 0)
        sampling["silent_for"] = f"{one(dice, silences)}ms"
        return sampling

    def _within(self, every: int) -> str:
        """Draw how long a label takes: at most sixteen samples wait for theirs."""
        spans = [ms for text in self.maker.durations if 0 < (ms := duration_ms(text)) <= every * 16]
        return f"{one(self.dice, [*spans, every, every * 2, every * 16, max(1, every // 2), every + 1])}ms"

    def _numbers_of_events(self) -> list[str]:
        return [path for path in self.maker.event_paths if EVENT_PATHS[path] == "number"]

    def _features(self) -> Tree:
        keys = few(self.dice, ("b", "a", "f_2", "z", "f_10"), 1, 4)
        return {key: self._feature() for key in keys}

    def _feature(self) -> Tree:
        dice, maker = self.dice, self.maker
        source = one(dice, [one for one in SOURCES if one != "in_segment" or maker.referable])
        match source:
            case "did":
                return {"did": maker.filtered() | maker.windowed()} | self._shape()
            case "total":
                agg = one(dice, ("sum", "avg", "min", "max", "distinct", "first", "last"))
                path = one(dice, [*self._numbers_of_events(), "n", "items.qty"])
                return {"total": maker.filtered() | maker.windowed() | {"of": path, "agg": agg}} | self._shape()
            case "since_last" | "since_first":
                feature = {source: maker.filtered(), "missing": one(dice, (99, 0, 2.5))} | self._shape()
                return feature | ({"unit": one(dice, ("ms", "s", "m", "h", "w"))} if often(dice, 75) else {})
            case "trait_number":
                paths = [path for path in maker.trait_paths if TRAIT_PATHS[path] in ("number", "flag")]
                return {"trait": one(dice, [*paths, "age", "orders.n"])} | self._shape()
            case "trait_test":
                return {"trait": {(path := one(dice, maker.trait_paths)): self._test(path)}}
            case "one_of":
                values = few(dice, (*TEXTS[:4], 1, 2, True), 1, 3)
                return {"trait": one(dice, maker.trait_paths), "one_of": values}
            case _:
                return {"in_segment": maker.in_segment()}

    def _test(self, path: str) -> Any:
        return comparison(self.dice, TRAIT_PATHS[path], relative=self.maker.durations)

    def _shape(self) -> Tree:
        """Draw what is made of a number."""
        dice = self.dice
        shape: Tree = {"missing": one(dice, (5, -1, 0.5))} if often(dice, 30) else {}
        if often(dice, 25):
            shape["bins"] = sorted(few(dice, BOUNDS, 1, 3))
        elif often(dice, 25):
            shape["transform"] = "log1p"
        return shape


Snapshots = list[tuple[int, dict[str, Scripted]]]


def make_snapshots(dice: Dice, definitions: Mapping[str, Any], records: Sequence[Record]) -> Snapshots:
    """Draw when each model's scorers come, and newer ones: (the place of the record they are in force from, all)."""
    models = definitions.get("models", [])
    if not models:
        return []
    force: dict[str, Scripted] = {}
    snapshots: Snapshots = []
    for number, place in enumerate(sorted({0, *(dice.below(len(records)) for _ in range(dice.below(4)))})):
        late = 30 if number == 0 else 50  # of a hundred models that still say what they said, or nothing yet
        newer = {
            model["key"]: _scorer(dice, number + 1, CLUSTERS if model["kind"] == "clusters" else NUMBERS)
            for model in models
            if not often(dice, late)
        }
        force = {**force, **newer}
        snapshots.append((place, force))
    return snapshots


def _scorer(dice: Dice, version: int, says: Sequence[float | str]) -> Scripted:
    return Scripted(version, few(dice, says, 2, len(says)), one(dice, (12, 12, 60)))
