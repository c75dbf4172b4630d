"""The changes that are kept of one customer, as one value of Redis.

They repeat each other, so they are compressed together, with a dictionary that has what every change has: of 15 changes
of some 500 bytes each half a kilobyte to one is left, in 30 µs. The first byte says which dictionary that was.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_FORMAT = b"\x01"
_LEVEL = 3  # 6 leaves a tenth less and takes twice as long
_RAW = -15
_BETWEEN = b"\n"

# The nearer to its end, the shorter the reference. It belongs to the format: another one needs another number.
_DICTIONARY = b"".join(
    (
        b'"wanted":"lt gte gt lte eq ","text":"did first last 365d 90d 60d 30d 14d 7d 24h properties.total sum of ',
        b'{"path":".when.all[0].any[1].not.did","holds":false,"value":0,"wanted":"gte 1","text":"did Order Completed ',
        b'at least 1 times within 30d (0)"},{"path":".when.since_last","holds":true,"value":"0s","wanted":"lt 30d",',
        b'"text":"last Order Completed more than 30d ago (0s)"}],"segments":["","lifecycle."],"ruleset":"',
        b'"seq":1,"change":"exited","segment":"","segmentation":"lifecycle","other":null,',
        b'"at":"2026-01-01T00:00:00.000Z","emitted_at":"2026-01-01T00:00:00.000Z","cause":{"type":"timer"},',
        b'"because":[{"path":"","cause":{"type":"definition"},"seq":12,"change":"entered","segment":"',
        b'","segmentation":null,"other":"","at":"2026-11-22T12:00:00.000Z","emitted_at":"2026-11-22T12:00:00.100Z",',
        b'"cause":{"type":"event","event":"Order Completed","message_id":""},"because":[{"path":"when.',
    )
)


def pack(entries: Sequence[bytes]) -> bytes:
    """Return the value of these entries, the oldest first; none of them holds a line break."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return _FORMAT + deflate.compress(_BETWEEN.join(entries)) + deflate.flush()


def unpack(value: bytes) -> list[bytes]:
    """Return the entries, the oldest first; raises `ValueError` where it is no such value."""
    if value[:1] != _FORMAT:
        message = f"a history of format {value[:1].hex() or 'none'}, which this version cannot read"
        raise ValueError(message)
    inflate = zlib.decompressobj(_RAW, _DICTIONARY)
    try:
        text = inflate.decompress(value[1:])
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof:
        message = "a history that was cut short"
        raise ValueError(message)
    return text.split(_BETWEEN)
