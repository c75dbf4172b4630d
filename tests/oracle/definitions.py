"""What the naive evaluator needs to know of a definitions tree as a whole: its durations and its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle.values import duration_ms

Tree = Mapping[str, Any]

_DURATION_KEYS = (
    "within",
    "wait",
    "after",
    "at_least",
    "min_stay",
    "within_last",
    "older_than",
    "every",
    "silent_for",
    "rescore",
)


def walk(node: Any) -> Iterator[Tree]:
    """Yield every mapping of a tree, from the outside in."""
    if isinstance(node, Mapping):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def durations_ms(definitions: Tree) -> list[int]:
    """Return every duration that the definitions name, in milliseconds; more than those does no harm."""
    found = {0}
    for node in walk(definitions):
        texts = [node.get(key) for key in _DURATION_KEYS]
        for kind in ("since_last", "since_first"):
            if isinstance(node.get(kind), Mapping):
                texts += [text for _, text in comparisons(node[kind], "event", "where")]
        for text in texts:
            found.update(duration_ms(one) for one in (text if isinstance(text, list) else [text]) if _is_duration(one))
    return sorted(found)


def _is_duration(text: Any) -> bool:
    try:
        return isinstance(text, str) and duration_ms(text) >= 0
    except AssertionError:
        return False


def comparisons(node: Tree, *others: str) -> list[tuple[str, Any]]:
    """Return the (operator, bound) pairs of a condition, `others` being its keys that are no operators."""
    return [(key, value) for key, value in node.items() if key not in others]


def units(definitions: Tree) -> list[tuple[str, Tree]]:
    """Return (kind, definition) in an order in which each comes after what it refers to.

    The kinds are 'segment', 'segmentation', 'model', and 'clusters', which is a model as a segmentation.
    """
    segments = {one["key"]: one for one in definitions.get("segments", [])}
    segmentations = {one["key"]: one for one in definitions.get("segmentations", [])}
    models = {one["key"]: one for one in definitions.get("models", [])}
    inside = {key for one in segmentations.values() for key in one["segments"]}
    known: dict[tuple[str, str], tuple[str, Tree]] = {}
    for key, one in segmentations.items():
        known["unit", key] = ("segmentation", {**one, "parts": [segments[part] for part in one["segments"]]})
    known |= {("unit", key): ("segment", one) for key, one in segments.items() if key not in inside}
    known |= {("unit", key): ("clusters", one) for key, one in models.items() if one.get("as_segmentation")}
    known |= {("model", key): ("model", one) for key, one in models.items()}
    ordered: dict[tuple[str, str], tuple[str, Tree]] = {}

    def visit(place: tuple[str, str]) -> None:
        if place in ordered or place not in known:  # a model that is not there says nothing
            return
        kind, one = known[place]
        needed = [("model", one["key"])] if kind == "clusters" else []
        if kind != "clusters":
            needed += [("unit", key.partition(".")[0]) for key in references(one)]
        if kind in ("segment", "segmentation"):
            needed += [("model", key) for key in asked_models(one)]
        for other in needed:
            visit(other)
        ordered[place] = known[place]

    for place in known:
        visit(place)
    return list(ordered.values())


def asked_models(node: Any) -> list[str]:
    """Return the keys that `score` and `cluster` conditions below this node name."""
    asked = [one.get("score", one.get("cluster")) for one in walk(node)]
    return [one["model"] for one in asked if isinstance(one, Mapping) and "model" in one]


def references(node: Any) -> list[str]:
    """Return the keys that `in_segment` conditions and features below this node name."""
    found = [one["in_segment"] for one in walk(node) if "in_segment" in one]
    return [one["key"] if isinstance(one, Mapping) else one for one in found]
