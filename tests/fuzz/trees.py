"""Mutations of an event as a tree: any field may be gone, doubled, renamed, wrapped, or of any other type and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.fuzz import odd
from tests.fuzz.writing import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    Place = tuple[dict[str, Any] | list[Any], Any]
    """A container, and the key or index in it."""
    Mutation = Callable[[Random, dict[str, Any]], None]

FIELDS = (
    *("type", "userId", "anonymousId", "event", "messageId", "timestamp", "properties", "traits", "context", "name"),
    *("groupId", "previousId", "originalTimestamp", "sentAt", "integrations", "version", "writeKey"),
)


def copied(tree: Any) -> Any:
    """Return a tree of its own."""
    if isinstance(tree, dict):
        return {key: copied(child) for key, child in tree.items()}
    return [copied(child) for child in tree] if isinstance(tree, list) else tree


def places(tree: Any) -> Iterator[Place]:
    """Yield every place in a tree."""
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from places(tree[key])


def place(dice: Random, event: dict[str, Any]) -> Place:
    """Return any place; half of the time one at the top, where a reader looks first."""
    if dice.random() < 0.5:
        return event, dice.choice(list(event) or [""])
    return dice.choice(list(places(event)) or [(event, "")])


def any_value(dice: Random, event: dict[str, Any]) -> None:
    """Put an odd value anywhere."""
    where, key = place(dice, event)
    where[key] = odd.value(dice)


def any_field(dice: Random, event: dict[str, Any]) -> None:
    """Put an odd value into a field that means something, whether or not the event has it."""
    event[dice.choice(FIELDS)] = odd.value(dice)


def gone(dice: Random, event: dict[str, Any]) -> None:
    """Leave anything out."""
    where, key = place(dice, event)
    if isinstance(where, list) or key in where:
        del where[key]


def renamed(dice: Random, event: dict[str, Any]) -> None:
    """Give a field another name."""
    where, key = place(dice, event)
    if isinstance(where, dict) and key in where:
        names = (str(key).upper(), str(key) + " ", "", "a.b", "\x00", "k" * 2_000, "__proto__", "é", "type", "userId")
        where[dice.choice(names)] = where.pop(key)


def wrapped(dice: Random, event: dict[str, Any]) -> None:
    """Put a value into a list or an object, or an object's text in its place."""
    where, key = place(dice, event)
    if isinstance(where, list) or key in where:
        child = where[key]
        where[key] = dice.choice(([child], {"value": child}, [child, child], [[child]], {"": child}, str(child)[:500]))


def exchanged(dice: Random, event: dict[str, Any]) -> None:
    """Let two values change places."""
    (one, a), (other, b) = dice.choices(list(places(event)) or [(event, "")], k=2)
    if isinstance(one, dict) and a not in one:
        return
    if not isinstance(one[a], dict | list | Raw) and not isinstance(other[b], dict | list | Raw):
        one[a], other[b] = other[b], one[a]


def another_time(dice: Random, event: dict[str, Any]) -> None:
    """Say another time, or none that is one."""
    event[dice.choice(("timestamp", "timestamp", "timestamp", "originalTimestamp", "sentAt"))] = odd.text(
        dice.choice(odd.INSTANTS)
    )


def another_id(dice: Random, event: dict[str, Any]) -> None:
    """Be somebody else, or nobody."""
    ids = [*map(odd.text, odd.IDS), Raw(b'""'), Raw(b"null"), Raw(b"7"), Raw(b"[]"), Raw(b'{"id":"a"}')]
    event[dice.choice(("userId", "anonymousId"))] = dice.choice(ids)
    if dice.random() < 0.3:
        event.pop(dice.choice(("userId", "anonymousId")), None)


def another_name(dice: Random, event: dict[str, Any]) -> None:
    """Say that something else happened, or nothing."""
    event[dice.choice(("event", "type", "name"))] = odd.text(dice.choice(odd.NAMES))


def deep(dice: Random, event: dict[str, Any]) -> None:
    """Nest anything as deep as readers go, and deeper; where conditions look, too."""
    inside = dice.choice((b"1", b'"pro"', b'{"price":7,"plan":"pro","total":3}', b'"2025-03-01T12:00:00Z"'))
    where, key = place(dice, event)
    where[key] = odd.nested(dice, inside)


def many_traits(dice: Random, event: dict[str, Any]) -> None:
    """Write as many traits as are kept, or more, or as large."""
    count = dice.choice((1, 20, 100, 200, 255, 256, 257, 300))
    size = dice.choice((0, 1, 10, 100, 127, 128, 1_000))
    first = dice.choice((0, 0, 0, 100))
    filler: Any = dice.choice(("x" * size, None, Raw(b'"\\u0000%b"' % (b"y" * size)), [size] * (size // 10)))
    event["type"] = "identify"
    event["traits"] = {f"t{number}": filler for number in range(first, first + count)}


def large_trait(dice: Random, event: dict[str, Any]) -> None:
    """Write one trait that conditions look at, near the bound or past it."""
    size = dice.choice((1_000, 10_000, 25_000, 32_000, 32_740, 32_760, 32_768, 33_000, 60_000))
    event["type"] = "identify"
    event["traits"] = {dice.choice(("plan", "tags", "createdAt", "logins")): "p" * size}


def to_size(dice: Random, event: dict[str, Any]) -> None:
    """Be as large as an event may be, or as much larger as broker and memory bear."""
    sizes = (32_767, 32_768, 32_769, 65_000, 65_535, 65_536, 65_537, 65_600, 131_072, 300_000)
    size = dice.choice(sizes) if dice.random() < 0.97 else 10_000_000
    event["pad"] = Raw(b'"%b"' % (b"p" * max(0, size - dice.choice((0, 1_200, 2_500)))))


MUTATIONS: tuple[Mutation, ...] = (
    *(any_value, any_value, any_value, any_field, any_field, any_field, gone, gone, renamed, wrapped, exchanged),
    *(another_time, another_time, another_id, another_name, deep, many_traits, large_trait),
)
SELDOM: tuple[Mutation, ...] = (to_size,)
