"""Where a client of the stream stands: every partition's next offset, and which topic they are offsets of.

It goes out as each event's `id` and comes back as `Last-Event-ID`. As text it is base64url over a version byte, the
topic's mark (4 bytes) and the offsets, each as many bytes as it needs (LEB128): 8 partitions with a million changes
each take 39 characters.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MARK_BYTES = 4
_VERSION = 1
_LONGEST_OFFSET = 9
"""Bytes of 2⁶³ − 1 at 7 bits each: the most that Kafka counts to."""
_LOW, _MORE = 0x7F, 0x80
_FORM = re.compile(rb"[A-Za-z0-9_-]+")


def mark_of(app_id: str, topic: str, topic_id: str) -> bytes:
    """Return what tells this topic from one that was made anew under its name; `topic_id` is empty where none is."""
    return hashlib.sha256("\0".join((app_id, topic, topic_id)).encode()).digest()[:MARK_BYTES]


class Position:
    """A topic's mark, and the next offset of each of its partitions. It moves."""

    __slots__ = ("_pieces", "mark", "offsets")

    def __init__(self, mark: bytes, offsets: Iterable[int]) -> None:
        """Stand there."""
        self.mark = mark
        self.offsets = list(offsets)
        self._pieces = [_pack(offset) for offset in self.offsets]

    @classmethod
    def read(cls, text: bytes) -> Position:
        """Return the position that a text names; raises ValueError where it names none."""
        if not _FORM.fullmatch(text):
            message = "it is no base64url"
            raise ValueError(message)
        try:
            data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        except binascii.Error as error:
            message = "it is cut off"
            raise ValueError(message) from error
        if len(data) <= 1 + MARK_BYTES or data[0] != _VERSION:
            message = "it is of no version that is known here"
            raise ValueError(message)
        return cls(data[1 : 1 + MARK_BYTES], _unpack(data[1 + MARK_BYTES :]))

    def text(self) -> bytes:
        """Return it as an event's id."""
        data = b"%c%b%b" % (_VERSION, self.mark, b"".join(self._pieces))
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    def move(self, partition: int, offset: int) -> None:
        """Go to an offset of one partition."""
        self.offsets[partition] = offset
        self._pieces[partition] = _pack(offset)

    def copy(self) -> Position:
        """Return one that stands there too, and moves by itself."""
        return Position(self.mark, self.offsets)


def _pack(offset: int) -> bytes:
    data = bytearray()
    while offset > _LOW:
        data.append(offset & _LOW | _MORE)
        offset >>= 7
    data.append(offset)
    return bytes(data)


def _unpack(data: bytes) -> list[int]:
    offsets, offset, shift = [], 0, 0
    for byte in data:
        offset |= (byte & _LOW) << shift
        shift += 7
        if shift > 7 * _LONGEST_OFFSET:
            message = "it has an offset that no log reaches"
            raise ValueError(message)
        if byte < _MORE:
            offsets.append(offset)
            offset, shift = 0, 0
    if shift:
        message = "it is cut off"
        raise ValueError(message)
    return offsets
