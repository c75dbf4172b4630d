"""What an answer without end needs of its connection: to hear that it ends, and to break it off.

ASGI says neither while an answer is being written. The server (`streams.http.guard`) puts it into the scope.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping

    class Watcher(Protocol):
        """Whoever writes an answer without end."""

        def lost(self) -> None:
            """Hear that the connection is no more."""

        def stopping(self) -> None:
            """Hear that the server stops."""


EXTENSION = "segue.connection"


class Connection:
    """One connection, for as long as it lasts."""

    __slots__ = ("_transport", "watcher")

    def __init__(self, transport: asyncio.Transport | None = None) -> None:
        """Nobody watches it yet; without a transport nothing is ever heard of it."""
        self._transport = transport
        self.watcher: Watcher | None = None

    def bound(self, kernel_bytes: int) -> None:
        """Have the kernel hold no more than so much of what the client has yet to take; it grows to 4 MiB by itself."""
        handle = None if self._transport is None else self._transport.get_extra_info("socket")
        if handle is not None:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, kernel_bytes)

    def abort(self) -> None:
        """Break it off: what is yet to be written is forgotten."""
        if self._transport is not None:
            self._transport.abort()
        elif self.watcher is not None:
            self.watcher.lost()

    def lost(self) -> None:
        """Tell who watches that it is no more."""
        self._transport = None
        if self.watcher is not None:
            self.watcher.lost()

    def stopping(self) -> None:
        """Tell who watches that the server stops."""
        if self.watcher is not None:
            self.watcher.stopping()


def connection_of(scope: MutableMapping[str, Any]) -> Connection:
    """Return a request's connection; where there is no server, one that is never lost."""
    found = scope.get("extensions", {}).get(EXTENSION)
    return found if isinstance(found, Connection) else Connection()
