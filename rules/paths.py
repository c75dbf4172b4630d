"""Dotted paths into an event or a customer's traits; a list on the way stands for its elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAFE_INTEGER: Final = 1 << 53
PATH_PATTERN = r"^[^.]+(?:\.[^.]+)*$"
EVENT_FIELDS = frozenset({"name", "groupId", "previousId", "traits", "context", "properties"})
"""The fields of the event itself that a path may start in."""


def parse_path(text: str) -> tuple[str, ...]:
    """Return the steps of a dotted path; raises ValueError where a step is empty."""
    steps = tuple(text.split("."))
    if not all(steps):
        message = f"{text!r} is no path; write names parted by single dots, like address.city"
        raise ValueError(message)
    return steps


def values_at(root: Any, steps: tuple[str, ...]) -> tuple[Any, ...]:
    """Return every value at the path: none where absent or null, several through a list.

    Numbers are doubles, as in RFC 8259's interoperable JSON: an integer beyond ±2^53 comes as its double.
    """
    value = root
    for index, step in enumerate(steps):
        if type(value) is dict:
            value = value.get(step)
            if value is None:
                return ()
        elif type(value) is list:
            rest = steps[index:]
            return tuple(leaf for element in _elements(value) for leaf in values_at(element, rest))
        else:
            return ()
    if type(value) is int and not -SAFE_INTEGER <= value <= SAFE_INTEGER:
        return (float(value),)
    return () if value is None else (value,)


def _elements(values: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects in a list, lists in it opened; with a stack of its own, however deep an event nests them."""
    stack = [iter(values)]
    while stack:
        for value in stack[-1]:
            if type(value) is dict:
                yield value
            elif type(value) is list:
                stack.append(iter(value))
                break
        else:
            stack.pop()


def event_values(steps: tuple[str, ...]) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    """Return a reader of a path that starts in `properties`, or, if its first step is not there, in the event."""
    first = steps[0]
    in_event = first in EVENT_FIELDS

    def read(body: dict[str, Any]) -> tuple[Any, ...]:
        properties = body.get("properties")
        if properties is not None and properties.get(first) is not None:
            return values_at(properties, steps)
        return values_at(body, steps) if in_event else ()

    return read
