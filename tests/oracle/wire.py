"""From the bytes of a record to an event, or to the reason why it is rejected."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.oracle.values import date_time_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

TYPES = ("track", "identify", "page", "screen", "group", "alias")
MAX_BYTES = 64 * 1024
MAX_ID_BYTES = 256


MAX_DEPTH = 1024
"""How deep lists and objects may lie in each other."""


_HUGE = re.compile(rb"[0-9]{300}|[eE][+]?[0-9]{3}")
"""What a number past the doubles has, and few others."""

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""A text, or a bracket outside of texts."""


class Reason(StrEnum):
    """Why a record is rejected."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    BAD_NUMBER = "bad_number"
    NO_OBJECT = "no_object"
    UNKNOWN_TYPE = "unknown_type"
    NO_EVENT_NAME = "no_event_name"
    NO_ID = "no_id"
    ID_TOO_LONG = "id_too_long"
    WRONG_KEY = "wrong_key"
    BAD_TIMESTAMP = "bad_timestamp"
    NO_TIMESTAMP = "no_timestamp"
    TOO_MANY_TRAITS = "too_many_traits"
    TRAITS_TOO_LARGE = "traits_too_large"


@dataclass(frozen=True)
class Record:
    """One record of the topic `customer-events` (in a replay of a file only `value` counts)."""

    value: bytes
    key: bytes | None = None
    broker_ms: int = 0
    partition: int = 0
    headers: Sequence[tuple[str, bytes]] = ()

    @property
    def is_tick(self) -> bool:
        """Tell whether the worker itself wrote this record, to read the broker's time."""
        return self.key is None and not self.value and any(name == "segue-tick" for name, _ in self.headers)


class Rejected(Exception):
    """The record is no event; the first argument is the reason."""


@dataclass(frozen=True)
class Event:
    """What a record says."""

    customer: str
    name: str
    type: str
    ts: int | None
    message_id: str | None
    body: Mapping[str, Any] = field(hash=False)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Rejected(Reason.BAD_NUMBER)
    return value


def _constant(_text: str) -> float:
    raise Rejected(Reason.NOT_JSON)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    json_text([name for name, _ in pairs])
    json_text([value for _, value in pairs])
    return dict(pairs)


def json_text(value: Any) -> None:
    """Refuse lone surrogates in strings, however deep in lists (objects were looked at when they were read)."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Rejected(Reason.NOT_JSON) from None
    elif isinstance(value, list):
        for element in value:
            json_text(element)


def parse(data: bytes) -> Any:
    """Read RFC 8259 JSON in UTF-8; every number becomes a double."""
    try:
        tree = json.loads(
            data.decode(),
            parse_int=_number,
            parse_float=_number,
            parse_constant=_constant,
            object_pairs_hook=_members,
        )
    except (ValueError, RecursionError):
        raise Rejected(Reason.NOT_JSON) from None
    json_text(tree)
    return tree


def _text(tree: Mapping[str, Any], name: str) -> str | None:
    value = tree.get(name)
    return value if isinstance(value, str) and value else None


def _name(tree: Mapping[str, Any]) -> str:
    kind = tree.get("type")
    if kind not in TYPES:
        raise Rejected(Reason.UNKNOWN_TYPE)
    if kind != "track":
        return str(kind)
    name = _text(tree, "event")
    if name is None:
        raise Rejected(Reason.NO_EVENT_NAME)
    return name


def _customer(tree: Mapping[str, Any]) -> str:
    customer = _text(tree, "userId") or _text(tree, "anonymousId")
    if customer is None:
        raise Rejected(Reason.NO_ID)
    if len(customer.encode()) > MAX_ID_BYTES:
        raise Rejected(Reason.ID_TOO_LONG)
    return customer


def _timestamp(tree: Mapping[str, Any]) -> int | None:
    text = tree.get("timestamp")
    if text is None:
        return None
    ts = date_time_ms(text) if isinstance(text, str) else None
    if ts is None:
        raise Rejected(Reason.BAD_TIMESTAMP)
    return ts


def read_event(data: bytes) -> Event:
    """Return the event that the bytes say; raises `Rejected` where they say none."""
    if len(data) > MAX_BYTES:
        raise Rejected(Reason.TOO_LARGE)
    tree = parse(data)
    if not isinstance(tree, dict):
        raise Rejected(Reason.NO_OBJECT)
    return _event(tree)


def _event(tree: dict[str, Any]) -> Event:
    for name in ("properties", "traits", "context"):
        if not isinstance(tree.get(name), dict):
            tree.pop(name, None)
    return Event(
        customer=_customer(tree),
        name=_name(tree),
        type=tree["type"],
        ts=_timestamp(tree),
        message_id=_text(tree, "messageId"),
        body=tree,
    )


def event_or_faults(data: bytes) -> Event | frozenset[Reason]:
    """Return the event that the bytes say, however deep it is, or every reason for which they say none.

    Whoever reads stops at the first reason it meets: which one that is, the contract leaves open.
    """
    if len(data) > MAX_BYTES:
        return frozenset((Reason.TOO_LARGE,))
    tree, found = _parsed(data)
    if found:
        return found
    if not isinstance(tree, dict):
        return frozenset((Reason.NO_OBJECT,))
    found = frozenset(reason for look in (_customer, _name, _timestamp) for reason in _fault(look, tree))
    return found or _event(tree)


def _fault(look: Callable[[Mapping[str, Any]], object], tree: Mapping[str, Any]) -> Iterator[Reason]:
    try:
        look(tree)
    except Rejected as rejected:
        yield rejected.args[0]


def _parsed(data: bytes) -> tuple[Any, frozenset[Reason]]:
    """Return the tree, however deep, or why there is none."""
    infinite: list[str] = []
    huge = _HUGE.search(data) is not None

    def number(text: str) -> float:
        value = float(text)
        if math.isinf(value):
            infinite.append(text)
        return value

    try:
        with room():
            tree = json.loads(
                data.decode(),
                parse_int=number if huge else float,
                parse_float=number if huge else float,
                parse_constant=_constant,
                # without an escape there is no surrogate: UTF-8 has none
                object_pairs_hook=_members if b"\\u" in data else None,
            )
            json_text(tree if b"\\u" in data else None)
        sound = data.count(b"[") + data.count(b"{") <= MAX_DEPTH or _brackets(data) <= MAX_DEPTH
    except (ValueError, RecursionError, Rejected):
        tree, sound = None, False
    found = {Reason.BAD_NUMBER} if infinite else set()
    return tree, frozenset(found if sound else {Reason.NOT_JSON, *found})


def _brackets(data: bytes) -> int:
    """Return how deep the brackets of JSON lie in each other, those of values included that later ones replace."""
    level = deepest = 0
    for found in _BRACKET.finditer(data):
        level += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(found[0], 0)
        deepest = max(deepest, level)
    return deepest


@contextlib.contextmanager
def room() -> Iterator[None]:
    """Let Python go as deep as an event may."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 4 * MAX_DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def depth(tree: Any) -> int:
    """Return how deep lists and objects lie in each other: 0 for a number, 1 for an empty list."""
    level, deep = [tree], -1
    while level:
        deep += 1
        level = [
            child
            for node in level
            if isinstance(node, list | dict)
            for child in (node.values() if isinstance(node, dict) else node)
        ] + [None for node in level if isinstance(node, list | dict) and not node]
    return deep
