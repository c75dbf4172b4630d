"""Random definitions: every kind of condition, nested, in segments and segmentations that refer to each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from tests.strategies.comparisons import comparison, duration_comparison, total_comparison
from tests.strategies.models import ModelMaker
from tests.strategies.pools import EVENT_PATHS, EVENTS, SCALES, TRAIT_PATHS, Dice, HypothesisDice, few, often, one

Tree = dict[str, Any]

LEAVES = ("did", "total", "total", "since_last", "since_first", "sequence", "then_not", "trait")
RARE_LEAVES = ("chance",)
MODEL_LEAVES = ("score", "cluster")
# In no order, so that what is made first is not what comes first by key.
KEYS = tuple("mdqbzfkatwcshpxgvrniejlu")


class Maker:
    """Draws one definitions tree; its conditions share a few durations and refer to what was made before them.

    Half of the trees keep to a few kinds of condition, names and paths: there the same things meet more often.
    """

    def __init__(self, dice: Dice, *, models: bool) -> None:
        self.dice = dice
        self.durations = few(dice, one(dice, SCALES), 1, 4)
        self.referable: list[str] = []
        self.models: list[Tree] | None = [] if models else None
        self.kinds = [*LEAVES, *LEAVES, *RARE_LEAVES]
        self.events: Sequence[str] = EVENTS
        self.event_paths, self.trait_paths = list(EVENT_PATHS), list(TRAIT_PATHS)
        if often(dice, 50):
            self.kinds = few(dice, LEAVES, 1, 3)
            self.events = few(dice, EVENTS, 1, 2)
            self.event_paths, self.trait_paths = few(dice, self.event_paths, 1, 3), few(dice, self.trait_paths, 1, 2)

    def duration(self) -> str:
        return one(self.dice, self.durations)

    # Conditions

    def condition(self, depth: int = 2) -> Tree:
        if depth and often(self.dice, 40):
            kind = one(self.dice, ("all", "any", "not"))
            if kind == "not":
                return {"not": self.condition(depth - 1)}
            return {kind: [self.condition(depth - 1) for _ in range(one(self.dice, (2, 2, 2, 3, 1, 0)))]}
        return self.leaf()

    def leaf(self) -> Tree:
        in_segment = len(self.kinds) // 4 + 1 if self.referable else 0
        asking = list(MODEL_LEAVES) * (len(self.kinds) // 2 + 1) if self.models else []
        kind = one(self.dice, [*self.kinds, *["in_segment"] * in_segment, *asking])
        body: Any = getattr(self, kind)()
        return {kind: body}

    def event(self) -> str | list[str]:
        if often(self.dice, 15):
            return "*"
        return few(self.dice, self.events, 1, 3) if often(self.dice, 15) else one(self.dice, self.events)

    def filtered(self) -> Tree:
        spec: Tree = {"event": self.event()}
        if often(self.dice, 25):
            paths = few(self.dice, self.event_paths, 1, 2)
            spec["where"] = {path: comparison(self.dice, EVENT_PATHS[path]) for path in paths}
        return spec

    def windowed(self, percent: int = 75) -> Tree:
        return {"within": self.duration()} if often(self.dice, percent) else {}

    def did(self) -> Tree:
        spec = self.filtered() | self.windowed()
        if often(self.dice, 60):
            spec["times"] = one(
                self.dice,
                (
                    *({"gte": 2}, {"gte": 3}, {"gt": 1}, {"lt": 2}, {"lte": 1}, {"eq": 1}, {"eq": 2}, {"ne": 1}),
                    *({"between": [1, 2]}, {"between": [2, 3]}, {"lt": 1}, {"gte": 1, "lt": 3}, {"gte": 0}, 1),
                ),
            )
        return spec

    def total(self) -> Tree:
        agg = one(self.dice, ("sum", "avg", "distinct", "first", "last", "sum", "avg", "first", "last", "min", "max"))
        paths = ["n", "items.qty", "n", "properties.n"]
        if agg in ("distinct", "first", "last"):
            paths += ["s", "f", "items.sku", "tags"]
        path = one(self.dice, [one for one in paths if one in self.event_paths] or paths)
        spec = self.filtered() | self.windowed() | {"of": path, "agg": agg}
        return spec | total_comparison(self.dice, agg, EVENT_PATHS[path])

    def since_last(self) -> Tree:
        return self.filtered() | duration_comparison(self.dice, self.durations)

    def since_first(self) -> Tree:
        return self.since_last()

    def step(self, place: int) -> Tree:
        step = self.filtered()
        if place and often(self.dice, 45):
            step["within"] = self.duration()
        if place and often(self.dice, 30):
            step["after"] = self.duration()
        return step

    def sequence(self) -> Tree:
        steps = [self.step(place) for place in range(one(self.dice, (2, 2, 2, 3, 3, 1)))]
        return {"steps": steps} | self.windowed(50)

    def then_not(self) -> Tree:
        return self.filtered() | {"but": self.filtered(), "wait": self.duration()} | self.windowed(40)

    def trait(self) -> Tree:
        paths = few(self.dice, self.trait_paths, 1, 2)
        return {path: comparison(self.dice, TRAIT_PATHS[path], relative=self.durations) for path in paths}

    def in_segment(self) -> Any:
        key = one(self.dice, self.referable)
        if often(self.dice, 60):
            return {"key": key, "at_least": self.duration()}
        return {"key": key} if often(self.dice, 20) else key

    def chance(self) -> Tree:
        return {"salt": one(self.dice, ("", "s", "test-é")), "lt": one(self.dice, (0.5, 0, 0.25, 0.75, 1))}

    def score(self) -> Tree:
        op = one(self.dice, ("gte", "lt", "gt", "lte", "ne"))
        return {"model": self._asked("score"), op: one(self.dice, (0.5, 0.25, 0, 0.75))}

    def cluster(self) -> Tree:
        return {"model": self._asked("cluster"), "is": one(self.dice, ("c1", "c2", "c3", "First", "Other"))}

    def _asked(self, by: str) -> str:
        """Draw a model that is asked by this condition; one that is not there too, which says nothing."""
        models = [one["key"] for one in self.models or () if (one["kind"] == "clusters") is (by == "cluster")]
        return one(self.dice, models) if models and not often(self.dice, 5) else f"no_{by}"

    # Units

    def segment(self, key: str) -> Tree:
        segment: Tree = {"key": key, "when": self.condition()}
        if often(self.dice, 35):
            segment["until"] = self.condition(1)
        if often(self.dice, 30):
            segment["min_stay"] = self.duration()
        return segment

    def segmentation(self, key: str, inner: list[str]) -> tuple[Tree, list[Tree]]:
        parts = [{"key": one_key, "when": self.condition(1)} for one_key in inner]
        otherwise = one(self.dice, ("none", "none", f"y_{key}"))
        return {"key": key, "segments": inner, "otherwise": otherwise}, parts

    def tree(self) -> Tree:
        keys = list(KEYS)
        segments: list[Tree] = []
        segmentations: list[Tree] = []
        for _ in range(one(self.dice, (1, 2, 2, 3, 3, 4))):
            if self.models is not None and (not self.models or often(self.dice, 40)):
                self._model(keys)
            key = keys.pop()
            if not often(self.dice, 35):
                segments.append(self.segment(key))
                self.referable.append(key)
                continue
            inner = [keys.pop() for _ in range(one(self.dice, (2, 1, 3)))]
            unit, parts = self.segmentation(key, inner)
            segmentations.append(unit)
            segments += parts
            self.referable += [f"{key}.{name}" for name in [*inner, unit["otherwise"]]]
        tree: Tree = {}
        if segments:
            tree["segments"] = segments[::-1] if often(self.dice, 30) else segments
        if segmentations:
            tree["segmentations"] = segmentations[::-1] if often(self.dice, 30) else segmentations
        if self.models:
            tree["models"] = self.models[::-1] if often(self.dice, 30) else self.models
        return tree

    def _model(self, keys: list[str]) -> None:
        """Add a model, now and then under the key of a segment, which has nothing to do with it."""
        models = self.models if self.models is not None else []
        taken = [key for key in self.referable if "." not in key and key not in {one["key"] for one in models}]
        shared = bool(taken) and often(self.dice, 15)
        model = ModelMaker(self.dice, self).model(one(self.dice, taken) if shared else keys.pop())
        if shared:
            model.pop("as_segmentation", None)
        models.append(model)
        if model.get("as_segmentation"):
            self.referable += [f"{model['key']}.c1", f"{model['key']}.c2"]


@st.composite
def definitions(draw: Callable[[st.SearchStrategy[int]], int], *, models: bool = False) -> Tree:
    """Draw a valid definitions tree; with `models`, conditions on scores and clusters too."""
    return Maker(HypothesisDice(draw), models=models).tree()
