"""A `Change` ↔ what stands in the outbox ↔ what goes over the wire (`segment-changes`, CloudEvents 1.0 binary mode)."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Final

import msgspec
import orjson

from rules.dates import format_ms
from rules.errors import UnknownFormat
from streams.entry import Entry, Head

if TYPE_CHECKING:
    from state.change import Change

COMMIT_HEADER: Final = "segue-commit"
SOURCE_HEADER: Final = "ce_source"

_SPEC_VERSION: Final = ("ce_specversion", b"1.0")
_CONTENT_TYPE: Final = ("content-type", b"application/json")
_TYPES: Final = {change: ("ce_type", b"segue.segment." + change.encode()) for change in ("entered", "exited")}

_ID_CHARS: Final = 32
_FORMAT: Final = 1

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Entry)
_head_json: Final = msgspec.json.Encoder().encode
_json: Final = orjson.dumps
_fields: Final = msgspec.structs.astuple
_EMPTY: Final = hashlib.sha256()


def change_id(app_id: str, change: Change) -> str:
    """Return the change's id: the same change computed again has the same one."""
    return id_of(app_id, change.customer, change.seq, change.segment, change.change, change.at)


def id_of(app_id: str, customer: str, seq: int, segment: str, change: str, at_ms: int | None) -> str:
    """Return the id of the change that has all of these."""
    digest = _EMPTY.copy()  # to make one anew takes longer: OpenSSL looks for the algorithm first
    digest.update(_json([app_id, customer, seq, segment, change, at_ms]))
    return digest.hexdigest()[:_ID_CHARS]


def size_name(change: Change) -> str:
    """Return the name under which the segment's size is kept: `own` or `segmentation.segment`."""
    return full_name(change.segmentation, change.segment)


def full_name(segmentation: str | None, segment: str) -> str:
    """Return a segment's name with its segmentation's, where it has one."""
    return segment if segmentation is None else f"{segmentation}.{segment}"


def make_entry(app_id: str, change: Change, commit: int) -> Entry:
    """Return the outbox entry of a change that commit number `commit` makes."""
    # all at once: compiled code looks up each field of a struct by name, and this function wants them all
    customer, seq, said, segment, segmentation, other, at_ms, cause, because, segments, ruleset = _fields(change)
    at = format_ms(at_ms)
    identity = id_of(app_id, customer, seq, segment, said, at_ms)
    head = _head_json(Head(identity, customer, seq, said, segment, segmentation, other, at))
    # not a struct, too: msgspec writes large numbers otherwise than orjson did in the records that are out already
    tail = _json({"cause": cause, "because": because, "segments": segments, "ruleset": ruleset})
    return Entry(_FORMAT, identity, customer, said, at, commit, head[:-1], tail[1:])


def pack_entry(entry: Entry) -> bytes:
    """Return the bytes that the store keeps."""
    return _encoder.encode(entry)


def unpack_entry(data: bytes) -> Entry:
    """Return the entry that the store kept; raises `UnknownFormat`."""
    try:
        entry = _decoder.decode(data)
    except msgspec.DecodeError as error:
        message = f"the outbox holds an entry this version cannot read ({error}); run the version that wrote it"
        raise UnknownFormat(message) from None
    if entry.format != _FORMAT:
        message = f"the outbox holds an entry of format {entry.format}, this version reads {_FORMAT}; run the newer one"
        raise UnknownFormat(message)
    return entry


def value_of(entry: Entry, emitted_at: str) -> bytes:
    """Return the record's value, the whole JSON object with its fields in the contract's order."""
    return b"".join((entry.head, b',"emitted_at":"', emitted_at.encode(), b'",', entry.tail))


def headers_of(app_id: str, entry: Entry) -> list[tuple[str, bytes]]:
    """Return the record's headers."""
    return [
        _SPEC_VERSION,
        ("ce_id", entry.id.encode()),
        (SOURCE_HEADER, source_of(app_id)),
        _TYPES[entry.change],
        ("ce_subject", entry.customer.encode()),
        ("ce_time", entry.at.encode()),
        _CONTENT_TYPE,
        (COMMIT_HEADER, b"%d" % entry.commit),
    ]


def record_of(app_id: str, entry: Entry, emitted_at: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Return the record's key, value and headers."""
    return entry.customer.encode(), value_of(entry, emitted_at), headers_of(app_id, entry)


@cache
def source_of(app_id: str) -> bytes:
    """Return `ce_source`, which tells this app's changes from others' on the same topic."""
    return f"/segue/{app_id}".encode()
