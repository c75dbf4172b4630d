"""A change as the history keeps it: its JSON as it is on the topic, without what can be had again.

Id and customer stand first in a change. The customer is known from the key, and the id is worked out from the rest: it
would be half of what is kept, for nothing compresses a hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import orjson

from rules.dates import parse_timestamp
from rules.errors import UnknownFormat
from state.history import Seen
from streams.changes import full_name, id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_WHOLE = b"{"  # how an entry begins that is a change as it came
_FIRST = b'"seq":'  # how others begin


class _Fields(msgspec.Struct, gc=False):
    id: str
    customer_id: str
    seq: int
    change: str
    segment: str
    segmentation: str | None
    at: str
    emitted_at: str


class _Rest(msgspec.Struct, gc=False):
    seq: int
    change: str
    segment: str
    at: str


_fields = msgspec.json.Decoder(_Fields).decode
_rest = msgspec.json.Decoder(_Rest).decode


def seen(app_id: str, value: bytes) -> Seen:
    """Return what the history takes of a change of the topic; raises `UnknownFormat` where it is none."""
    try:
        found = _fields(value)
    except msgspec.MsgspecError as error:
        message = f"a change that this version cannot read ({error})"
        raise UnknownFormat(message) from None
    emitted_ms = parse_timestamp(found.emitted_at)
    if emitted_ms is None:
        message = f"a change went out at {found.emitted_at!r}, which is no instant"
        raise UnknownFormat(message)
    name = full_name(found.segmentation, found.segment)
    head = _head(app_id, found.customer_id, found)
    entry = value.removeprefix(head)
    if b"\n" in entry or not entry.startswith((_FIRST, _WHOLE)):
        entry = orjson.dumps(orjson.loads(value))
    return Seen(found.customer_id, entry, name, found.change == "entered", emitted_ms)


def whole(app_id: str, customer: str, entries: Sequence[bytes]) -> list[bytes]:
    """Return the changes of these entries, byte for byte as they are on the topic."""
    return [entry if entry.startswith(_WHOLE) else _restored(app_id, customer, entry) for entry in entries]


def _restored(app_id: str, customer: str, entry: bytes) -> bytes:
    return _head(app_id, customer, _rest(b"{" + entry)) + entry


def _head(app_id: str, customer: str, change: _Fields | _Rest) -> bytes:
    at_ms = parse_timestamp(change.at)
    identity = id_of(app_id, customer, change.seq, change.segment, change.change, at_ms)
    return b'{"id":"%b","customer_id":%b,' % (identity.encode(), orjson.dumps(customer))
