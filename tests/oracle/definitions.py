"""What the naive evaluator needs to know of a definitions tree as a whole: its durations and its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle.values import duration_ms

Tree = Mapping[str, Any]

_DURATION_KEYS = ("within", "wait", "after", "at_least", "min_stay", "within_last", "older_than")


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
    """Return ('segment' | 'segmentation', definition) in an order in which each comes after what it refers to."""
    segments = {one["key"]: one for one in definitions.get("segments", [])}
    segmentations = {one["key"]: one for one in definitions.get("segmentations", [])}
    inside = {key for one in segmentations.values() for key in one["segments"]}
    ordered: dict[str, tuple[str, Tree]] = {}

    def visit(key: str) -> None:
        if key in ordered:
            return
        parts = [segments[one] for one in segmentations[key]["segments"]] if key in segmentations else [segments[key]]
        for part in parts:
            for other in references(part):
                visit(other.partition(".")[0])
        if key in segmentations:
            ordered[key] = ("segmentation", {**segmentations[key], "parts": parts})
        else:
            ordered[key] = ("segment", segments[key])

    for key in [*segmentations, *(key for key in segments if key not in inside)]:
        visit(key)
    return list(ordered.values())


def references(node: Any) -> list[str]:
    """Return the keys that `in_segment` conditions below this node name."""
    found = [one["in_segment"] for one in walk(node) if "in_segment" in one]
    return [one["key"] if isinstance(one, Mapping) else one for one in found]
