"""Bytes made shorter by what recurs in them: the beginnings of instants, and long runs of nothing.

A profile's instants (ms) are 9 bytes each in msgpack, of which those within 49 days share the first 5; features that
counted nothing are nils, one after the other. Each of the two is replaced by one byte that occurs nowhere else, so that
putting it back restores what was, whatever that was. Four bytes stand in front: those two (0 where nothing was
replaced), then the fourth and the fifth byte of the instants' beginning.
"""

from __future__ import annotations

from typing import Final

CODES: Final = [bytes([code]) for code in (0xC1, 0xC7, 0xC8, 0xC9, 0xC6, 0xDF, 0xDD, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8)] + [
    bytes([code]) for code in range(0x60, 0x80)
]
"""What may stand for something else, the first that does not occur itself: rare in msgpack, but bytes of hashes."""
NILS: Final = b"\xc0" * 16
INSTANT: Final = b"\xcf\x00\x00"
HEAD_BYTES: Final = 4
_NONE: Final = b"\x00"
_SHIFT: Final = 32
_MOST: Final = 1 << 48


def shortened(whole: bytes, near_ms: int) -> bytes:
    """Return the bytes in short; instants (ms) that share their beginning with `near_ms` are those that gain by it."""
    instants = nils = _NONE
    begins = (near_ms >> _SHIFT).to_bytes(2, "big") if 0 <= near_ms < _MOST else b"\x00\x00"
    prefix = INSTANT + begins
    if prefix in whole and (code := _free(whole, b"")):
        whole, instants = whole.replace(prefix, code), code
    if NILS in whole and (code := _free(whole, instants)):
        whole, nils = whole.replace(NILS, code), code
    return instants + nils + begins + whole


def lengthened(data: bytes, begin: int) -> bytes:
    """Return the bytes that were shortened into those of `data` from `begin` on."""
    head, whole = data[begin : begin + HEAD_BYTES], data[begin + HEAD_BYTES :]
    if head[1:2] != _NONE:
        whole = whole.replace(head[1:2], NILS)
    if head[:1] != _NONE:
        whole = whole.replace(head[:1], INSTANT + head[2:])
    return whole


def _free(whole: bytes, taken: bytes) -> bytes:
    """Return the first code that does not occur, nothing where all do."""
    for code in CODES:
        if code not in whole and code != taken:
            return code
    return b""
