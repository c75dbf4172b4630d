"""From the bytes of a record to an event, or to the reason why it is rejected."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.oracle.values import date_time_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TYPES = ("track", "identify", "page", "screen", "group", "alias")
MAX_BYTES = 64 * 1024
MAX_ID_BYTES = 256


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
