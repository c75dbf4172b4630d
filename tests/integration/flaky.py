"""A TCP proxy before a server, which fails where it is told to."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

CHUNK_BYTES = 1 << 20


class Fault(enum.Enum):
    """What happens to a request that holds the marker."""

    LOSE_REQUEST = enum.auto()  # it never arrives, and the connection breaks
    LOSE_REPLY = enum.auto()  # the server acts on it, and the connection breaks before it can say so
    STALL = enum.auto()  # the server acts on it, and nobody ever says so
    LOADING = enum.auto()  # the server says that it is still reading its file


class FlakyProxy:
    """Forwards every byte, but for the next requests that hold a marker."""

    def __init__(self, url: str) -> None:
        """Stand before the server at this `redis://` URL."""
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._path = parts.path
        self._fault: Fault | None = None
        self._marker = b""
        self._times = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL by which clients come through the proxy."""
        host, port = self._listener.sockets[0].getsockname()
        return f"redis://{host}:{port}{self._path}"

    @property
    def left(self) -> int:
        """How many faults are still to come."""
        return self._times

    def inject(self, fault: Fault, marker: bytes, times: int = 1) -> None:
        """Let the next requests that hold the marker meet this fault."""
        self._fault, self._marker, self._times = fault, marker, times

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break every connection."""
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        server_reader, server_writer = await asyncio.open_connection(*self._server)
        replies = asyncio.create_task(_pour(server_reader, writer))
        try:
            while request := await reader.read(CHUNK_BYTES):
                if self._times and self._marker in request:
                    self._times -= 1
                    if await self._meet(request, server_reader, server_writer, writer, replies):
                        continue
                    return
                server_writer.write(request)
                await server_writer.drain()
        finally:
            replies.cancel()
            writer.close()
            server_writer.close()

    async def _meet(
        self,
        request: bytes,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
        replies: asyncio.Task[None],
    ) -> bool:
        """Do to the request what was asked for; return whether the connection goes on."""
        if self._fault is Fault.LOADING:
            writer.write(b"-LOADING Valkey is loading the dataset in memory\r\n")
            return True
        if self._fault is Fault.LOSE_REQUEST:
            return False
        replies.cancel()
        await asyncio.wait([replies])  # a stream has one reader at a time
        server_writer.write(request)
        await server_reader.read(1)  # the server has acted
        if self._fault is Fault.STALL:
            await asyncio.sleep(3600)
        return False


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
