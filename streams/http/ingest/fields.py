"""The top level of a JSON object: name -> the value's JSON, untouched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from rules.errors import EventRejected

if TYPE_CHECKING:
    Fields = dict[str, Raw]

NULL = Raw(b"null")

_decode = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def read_fields(raw: bytes | Raw) -> Fields:
    """Take an object apart; raises `EventRejected` (`not_json`, `not_object`)."""
    try:
        return _decode(raw)
    except msgspec.ValidationError as error:
        reason, detail = "not_object", f"an event is a JSON object: {error}"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter from a text that is no UTF-8
        reason, detail = "not_json", str(error)
    except RecursionError:
        reason, detail = "not_json", "it is nested too deep"
    raise EventRejected(reason, detail)


def write_fields(fields: Fields) -> bytes:
    """Put an object together again."""
    return _encode(fields)


def text_of(value: Raw | None) -> str | None:
    """Return a value's text, None where it is no string."""
    if value is None:
        return None
    try:
        return _decode_text(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def as_text(text: str) -> Raw:
    """Return a text's JSON."""
    return Raw(_encode(text))


def is_object(value: Raw | None) -> bool:
    """Whether a value is an object."""
    return value is not None and bytes(memoryview(value)[:1]) == b"{"


def object_of(value: Raw | None) -> Fields:
    """Return a value's fields; none where it is no object, or none that can be read."""
    if value is None or not is_object(value):
        return {}
    try:
        return read_fields(value)
    except EventRejected:
        return {}
