"""Bytes made shorter by what recurs in them: the beginnings of instants, and long runs of nothing.

A profile's instants (ms) are 9 bytes each in msgpack, of which those within 49 days share the first 5; features that
counted nothing are nils, one after the other. Each of the two is replaced by one byte that occurs nowhere else, so that
putting it back restores what was, whatever that was. Four bytes stand in front: those two (0 where nothing was
replaced), then the fourth and the fifth byte of the instants' beginning.
"""

from __future__ import annotations

from typing import Final

CODES: Final[list[int]] = [0xC1, 0xC7, 0xC8, 0xC9, 0xC6, 0xDF, 0xDD, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, *range(0x60, 0x80)]
"""What may stand for something else, the first that does not occur itself: rare in msgpack, but bytes of hashes."""
NILS: Final = b"\xc0" * 16
INSTANT: Final = b"\xcf\x00\x00"
HEAD_BYTES: Final = 4
_BYTES: Final = [bytes([code]) for code in range(256)]
_SHIFT: Final = 32
_MOST: Final = 1 << 48


def shortened(whole: bytes, near_ms: int) -> bytes:
    """Return the bytes in short; instants (ms) that share their beginning with `near_ms` are those that gain by it."""
    instants = nils = 0
    begins = (near_ms >> _SHIFT).to_bytes(2, "big") if 0 <= near_ms < _MOST else b"\x00\x00"
    prefix = INSTANT + begins
    # `find`: to look for bytes with `in`, Python first makes an error of them that they are no number
    if whole.find(prefix) >= 0 and (instants := _free(whole, 0)):
        whole = whole.replace(prefix, _BYTES[instants])
    if whole.find(NILS) >= 0 and (nils := _free(whole, instants)):
        whole = whole.replace(NILS, _BYTES[nils])
    return _BYTES[instants] + _BYTES[nils] + begins + whole


def lengthened(data: bytes, begin: int) -> bytes:
    """Return the bytes that were shortened into those of `data` from `begin` on."""
    head, whole = data[begin : begin + HEAD_BYTES], data[begin + HEAD_BYTES :]
    if head[1]:
        whole = whole.replace(_BYTES[head[1]], NILS)
    if head[0]:
        whole = whole.replace(_BYTES[head[0]], INSTANT + head[2:])
    return whole


def _free(whole: bytes, taken: int) -> int:
    """Return the first code that does not occur, 0 where all do."""
    for code in CODES:
        if code != taken and code not in whole:
            return code
    return 0
