"""What the stream says: a change, or a gap where some can be had no more; each encoded once, for all clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import orjson

from streams.changes import SOURCE_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.reader import Record

OVERHEAD_BYTES = 600
"""What an entry takes in memory beside its text."""


class _Read(msgspec.Struct):
    customer_id: str
    change: str
    segment: str
    segmentation: str | None = None


_decode = msgspec.json.Decoder(_Read).decode


class Change(NamedTuple):
    """A change as it stands on the topic, with what clients ask by. `data` is one line of JSON."""

    partition: int
    offset: int
    customer: str
    change: str
    names: tuple[str, ...]
    data: bytes


class Gap(NamedTuple):
    """Changes of a partition, from one offset to before another, that can be had no more."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the stream, ready to be sent; `change` is None for a gap, which all clients get.

    `frame` is the whole of it, with the id of a client that has seen all before it; its id begins at `cut`. The change
    has its data no more: they are in there.
    """

    frame: bytes
    cut: int
    change: Change | None
    gaps: Mapping[int, Gap]

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.frame) + OVERHEAD_BYTES

    def with_id(self, text: bytes) -> bytes:
        """Return the frame for a client that stands elsewhere."""
        return b"%bid: %b\n\n" % (self.frame[: self.cut], text)


def change_in(record: Record, source: bytes) -> Change | None:
    """Return the change that a record of the topic holds; None for another app's, or for what is none."""
    if all(name != SOURCE_HEADER or value != source for name, value in record.headers):
        return None
    data = record.value or b""
    try:
        read = _decode(data)
        if b"\n" in data or b"\r" in data:
            data = orjson.dumps(orjson.loads(data))
    except (msgspec.MsgspecError, ValueError):  # written by a stranger under this app's name
        return None
    named: tuple[str, ...] = (read.segment,)
    if read.segmentation is not None:
        named = (read.segment, read.segmentation, f"{read.segmentation}.{read.segment}")
    return Change(record.partition, record.offset, read.customer_id, read.change, named, data)


def change_entry(change: Change, text: bytes) -> Entry:
    """Return the event of a change; `text` is the id of the position behind it."""
    body = b"event: segment.%b\ndata: %b\n" % (change.change.encode(), change.data)
    return Entry(b"%bid: %b\n\n" % (body, text), len(body), change._replace(data=b""), {})


def gap_entry(gaps: Mapping[int, Gap], text: bytes) -> Entry:
    """Return the event of gaps by partition; `text` is the id of the position behind them."""
    listed = [{"partition": partition, "from": gap.begin, "to": gap.end} for partition, gap in sorted(gaps.items())]
    body = b"event: gap\ndata: %b\n" % orjson.dumps({"partitions": listed})
    return Entry(b"%bid: %b\n\n" % (body, text), len(body), None, gaps)
