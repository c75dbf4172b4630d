"""One item of a request → a record of `customer-events`, or why not.

Only an item's top level is taken apart: what is inside a value reaches the record byte for byte. The record is then
decoded as the worker decodes it, so what ingest takes is what the worker takes.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Raw

from rules.dates import format_ms
from rules.errors import EventRejected
from streams.clocks import LiveClock
from streams.events import MAX_BYTES, decode_event
from streams.http.ingest.fields import NULL, as_text, is_object, object_of, read_fields, text_of, write_fields
from streams.http.ingest.times import Stamp, said_in, set_time

if TYPE_CHECKING:
    from streams.http.ingest.fields import Fields

MAX_ITEM_BYTES = 32_768
"""Of an item's JSON as received: the SDKs' own bound."""

_IDENTIFY = as_text("identify")
_WHERE = {"unknown_type": "type", "no_id": "userId", "id_too_long": "userId", "no_event": "event"}
# the worker gives an event its time, by the broker's; here the clock only has to be one
_CLOCK = LiveClock(grace_ms=0, clock_skew_ms=0, max_future_ms=0)


class Taken(NamedTuple):
    """A good item. `message_id` is None where the client gave none: its retry could not be told from another event."""

    customer: str
    message_id: str | None
    value: bytes


class Refused(NamedTuple):
    """A bad item: where in the request, why (a stable word), what to do, and its JSON as received."""

    path: str
    code: str
    message: str
    raw: bytes


class Around(NamedTuple):
    """What holds for every item of a request: when it came, the route's type, the batch's `sentAt` and defaults."""

    received: Stamp
    kind: Raw | None = None
    sent: Stamp | None = None
    context: Raw | None = None
    integrations: Raw | None = None

    @classmethod
    def at(
        cls, received_ms: int, kind: str | None = None, *, sent_at: Raw | None = None, **defaults: Raw | None
    ) -> Around:
        """Return it for a request that came at this instant (UTC ms), on the route of this type."""
        received = Stamp(received_ms, as_text(format_ms(received_ms)))
        return cls(received, None if kind is None else as_text(kind), Stamp.of(sent_at), **defaults)


def read_item(raw: bytes | Raw, path: str, around: Around) -> Taken | Refused:
    """Read one item; `path` is its place in the request, empty for one alone."""
    name = "timestamp"
    try:
        if memoryview(raw).nbytes > MAX_ITEM_BYTES:
            _reject("too_large", f"the event has more than {MAX_ITEM_BYTES} bytes")
        fields = read_fields(raw)
        name = said_in(fields)
        message_id = _complete(fields, around)
        set_time(fields, around.sent, around.received)
        value = write_fields(fields)
        return Taken(decode_event(value, around.received.ms, _CLOCK).customer, message_id, value)
    except EventRejected as error:
        name = name if error.reason == "bad_timestamp" else _WHERE.get(error.reason, "")
        place = f"{path}.{name}" if path and name else path or name
        return Refused(place, error.reason, error.detail, bytes(raw))


def check_default(value: Raw | None) -> Raw | None:
    """Return a batch's default, None where it is no object.

    Raises `EventRejected` where it is no JSON, or is such that no event could carry it.
    """
    if value is None or not is_object(value):
        return None
    if memoryview(value).nbytes > MAX_BYTES:
        _reject("too_large", f"a default of the batch's events has more than {MAX_BYTES} bytes")
    read_fields(value)
    return value


def without_key(raw: bytes) -> bytes:
    """Return an item's JSON without its `writeKey`, where it has one: keys are kept nowhere."""
    if b'"writeKey"' not in raw:
        return raw
    try:
        fields = read_fields(raw)
    except EventRejected:
        return raw
    fields.pop("writeKey", None)
    return write_fields(fields)


def _complete(fields: Fields, around: Around) -> str | None:
    """Fill in what the route, the batch and the SDK's habits say; return the client's own message id."""
    fields.pop("writeKey", None)
    if around.kind is not None:
        fields["type"] = around.kind
    for name, default in (("context", around.context), ("integrations", around.integrations)):
        if default is not None:
            _default(fields, name, default)
    if fields.get("type") == _IDENTIFY and not is_object(fields.get("traits")):
        traits = object_of(fields.get("context")).get("traits")
        if traits is not None and is_object(traits):
            fields["traits"] = traits
    message_id = text_of(fields.get("messageId")) or None
    if message_id is None:
        fields["messageId"] = as_text(str(uuid.uuid4()))
    return message_id


def _default(fields: Fields, name: str, default: Raw) -> None:
    """Give an object the defaults for what it has not, or has as null."""
    own = fields.get(name)
    if not is_object(own):
        fields[name] = default
    else:
        mine = {key: value for key, value in object_of(own).items() if value != NULL}
        fields[name] = Raw(write_fields({**object_of(default), **mine}))


def _reject(reason: str, detail: str) -> None:
    raise EventRejected(reason, detail)
