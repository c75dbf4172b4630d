"""Mutations of bytes: what networks, encodings and string concatenation make of an event."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from tests.fuzz import odd

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Cut = Callable[[Random, bytes], bytes]

BOM = b"\xef\xbb\xbf"
FIELDS = (b"userId", b"type", b"event", b"timestamp", b"messageId", b"traits", b"properties")
STRUCTURE = b'{}[],:"\\'


def _at(dice: Random, data: bytes) -> int:
    return dice.randrange(len(data) + 1)


def flipped(dice: Random, data: bytes) -> bytes:
    """Flip a bit."""
    if not data:
        return data
    at = dice.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << dice.randrange(8),)) + data[at + 1 :]


def truncated(dice: Random, data: bytes) -> bytes:
    """End anywhere."""
    return data[: _at(dice, data)]


def without(dice: Random, data: bytes) -> bytes:
    """Leave some bytes out."""
    at = _at(dice, data)
    return data[:at] + data[at + dice.choice((1, 1, 1, 2, 5, 50)) :]


def repeated(dice: Random, data: bytes) -> bytes:
    """Say some bytes twice."""
    at, size = _at(dice, data), dice.choice((1, 2, 5, 50, 500))
    return data[: at + size] + data[at:]


def inserted(dice: Random, data: bytes) -> bytes:
    """Put random bytes in."""
    at = _at(dice, data)
    return data[:at] + dice.randbytes(dice.choice((1, 1, 2, 8))) + data[at:]


def structural(dice: Random, data: bytes) -> bytes:
    """Add a sign of JSON's structure, or take one away."""
    found = [at for at, sign in enumerate(data[:2_000]) if sign in STRUCTURE]
    if not found:
        return data
    at = dice.choice(found)
    new = dice.choice((b"", b"", data[at : at + 1] * 2, b"'", bytes((dice.choice(STRUCTURE),))))
    return data[:at] + new + data[at + 1 :]


def no_utf8(dice: Random, data: bytes) -> bytes:
    """Put in what no UTF-8 has: overlong forms, halves, surrogates."""
    at = _at(dice, data)
    return data[:at] + dice.choice(odd.NO_UTF8) + data[at:]


def nul(dice: Random, data: bytes) -> bytes:
    """Put NUL bytes in."""
    at = _at(dice, data)
    return data[:at] + b"\x00" * dice.choice((1, 1, 4, 100)) + data[at:]


def marked(dice: Random, data: bytes) -> bytes:
    """Put a byte order mark in front, or anywhere."""
    return BOM + data if dice.random() < 0.7 else data.replace(b":", b":" + BOM, 1)


def recoded(dice: Random, data: bytes) -> bytes:
    """Be in another encoding, or packed."""
    text = data.decode("utf-8", "replace")
    coding = dice.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7", "gzip"))
    return gzip.compress(data, 1, mtime=0) if coding == "gzip" else text.encode(coding, "replace")


def followed(dice: Random, data: bytes) -> bytes:
    """Have something behind it, or in front."""
    more = dice.choice((b"\n", b" \t\r\n", b"\x0b", b"\xc2\xa0", b"{}", b",", b"\x00", b"// note", b"\x1a", b";", data))
    return data + more if dice.random() < 0.7 else more + data


def other_space(dice: Random, data: bytes) -> bytes:
    """Have white space where it may be, or some that is none in JSON."""
    space = dice.choice((b" ", b"\n", b"\r\n\t ", b" " * 3_000, b"\x0c", b"\xe2\x80\x83", b"/**/"))
    return data.replace(b",", b"," + space, dice.choice((1, 3)))


def doubled(dice: Random, data: bytes) -> bytes:
    """Have a field twice; the last one counts."""
    name = dice.choice((*FIELDS, b"\\u0074ype"))
    field = b'"%b":%b' % (name, odd.value(dice).data)
    if dice.random() < 0.5:
        return data.replace(b"{", b"{" + field + b",", 1)
    return data[:-1] + b"," + field + b"}" if data.endswith(b"}") else data


def replaced(dice: Random, data: bytes) -> bytes:
    """Be something else altogether."""
    others = (
        *(b"", b" ", b"\x00", b"null", b"true", b"0", b'"track"', b"[]", b"[" + data + b"]", b"{}", b"[[[[", BOM),
        *(b"[" * 60_000, b'{"a":' * 12_000, b'"' + data.replace(b'"', b'\\"') + b'"', data.replace(b'"', b"'")),
        *(b"\x1f\x8b", b"\x00\x00\x00\x00\x01" + data, b"Obj\x01", b"<event/>", b"type=track&userId=c", data.upper()),
    )
    return dice.choice(others)


def noise(dice: Random, data: bytes) -> bytes:
    """Be random bytes."""
    return dice.randbytes(min(len(data), dice.choice((1, 10, 200))))


CUTS: tuple[Cut, ...] = (
    *(flipped, flipped, flipped, truncated, truncated, without, without, repeated, inserted, structural, structural),
    *(no_utf8, no_utf8, nul, marked, recoded, followed, other_space, doubled, doubled, doubled, replaced, noise),
)
