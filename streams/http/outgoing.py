"""An answer's head waits for its body and goes out with it, where the body comes within the same turn of the loop.

uvicorn writes them apart: two packets for one answer, and the client is woken twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

_HEAD = b"HTTP/1.1 "
_JOINED_BYTES = 65_536
"""A larger body is not copied to be joined."""


class Outgoing(asyncio.Transport):
    """Stands before a connection's own transport, for as much of it as uvicorn uses."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Keep nothing yet."""
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""
        # asked several times a request
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Write it, and the head that is kept before it; keep one until its body comes, or the turn ends."""
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= _JOINED_BYTES:
                self._transport.write(head + data)
            else:
                self._transport.write(head)
                self._transport.write(data)
        elif data.startswith(_HEAD):  # what else begins so only goes out a little later
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close it when all is written."""
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close it at once."""
        self._head = b""
        self._transport.abort()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            if not self._transport.is_closing():
                self._transport.write(head)
