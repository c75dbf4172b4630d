"""A request's body, read within bounds: of bytes (as they are unpacked, not afterwards) and of time."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from streams.http.errors import HttpError
from streams.http.ingest.limits import MAX_BODY_BYTES

if TYPE_CHECKING:
    from starlette.requests import Request

    from streams.http.ingest.limits import Share

_GZIP = 31
"""zlib's window bits for gzip and nothing else."""

_MOST_STREAMS = 100
"""In a row, in one body: each costs a start, and an empty one has 20 bytes."""

_PLAIN = frozenset(("", "identity"))
_ZIPPED = frozenset(("gzip", "x-gzip"))


async def read_body(request: Request, share: Share, limit_s: float) -> bytes:
    """Return the body, unpacked. What is read is held in `share`, which the caller releases.

    Raises `HttpError`: 400 for no gzip, 408 for one that is slow, 413 for one that is too large, 415 for an encoding
    that is not known, 429 where all requests together hold too much.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in _PLAIN | _ZIPPED:
        message = f"Content-Encoding {encoding[:20]!r} is not known here; send gzip or none"
        raise HttpError(415, "unknown_encoding", message)
    length = request.headers.get("content-length", "")
    if length.isdigit() and (len(length) > len(str(MAX_BODY_BYTES)) or int(length) > MAX_BODY_BYTES):
        raise too_large()
    unpack = _Gunzip() if encoding in _ZIPPED else _Plain()
    try:
        async with asyncio.timeout(limit_s):
            async for chunk in request.stream():
                share.hold(unpack.feed(chunk))
    except TimeoutError:
        raise HttpError(408, "slow_body", f"the body was not there within {limit_s:g} s") from None
    except ClientDisconnect:
        raise HttpError(400, "disconnected", "the client went away") from None
    return unpack.end()


def too_large() -> HttpError:
    """Return the error of a body over the bound."""
    message = f"the body has more than {MAX_BODY_BYTES} bytes, unpacked; send smaller batches"
    return HttpError(413, "body_too_large", message)


class _Plain:
    """A body as it comes."""

    def __init__(self) -> None:
        self._body = bytearray()

    def feed(self, chunk: bytes) -> int:
        """Add a piece; return how many bytes there are."""
        if len(self._body) + len(chunk) > MAX_BODY_BYTES:
            raise too_large()
        self._body += chunk
        return len(self._body)

    def end(self) -> bytes:
        """Return all of it."""
        return bytes(self._body)


class _Gunzip(_Plain):
    """A gzipped body; never is more unpacked than fits."""

    def __init__(self) -> None:
        super().__init__()
        self._came = self._streams = 0
        self._stream = zlib.decompressobj(_GZIP)

    def feed(self, chunk: bytes) -> int:
        self._came += len(chunk)
        if self._came > MAX_BODY_BYTES:
            raise too_large()
        try:
            while chunk:
                if self._stream.eof:
                    self._next_stream()
                super().feed(self._stream.decompress(chunk, MAX_BODY_BYTES - len(self._body) + 1))
                chunk = self._stream.unused_data
        except zlib.error as error:
            raise _no_gzip() from error
        return len(self._body)

    def _next_stream(self) -> None:
        self._streams += 1
        if self._streams >= _MOST_STREAMS:
            raise _no_gzip()
        self._stream = zlib.decompressobj(_GZIP)

    def end(self) -> bytes:
        if not self._stream.eof:
            raise _no_gzip()
        return super().end()


def _no_gzip() -> HttpError:
    return HttpError(400, "not_gzip", "the body is not the gzip that Content-Encoding says it is")
