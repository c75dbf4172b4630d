"""A TCP proxy: the network between one worker and one service, to be cut, slowed, or struck dumb."""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum
from typing import TYPE_CHECKING, Self

from streams.child import HOST, free_port

if TYPE_CHECKING:
    from types import TracebackType

_PIECE = 1 << 14
_SLOW_PIECE = 1 << 11
_DELAY_S = 0.12
"""How long a slow wire takes for a piece: 17 KB/s each way, and a quarter of a second there and back."""


class State(Enum):
    """What a wire does."""

    OPEN = "open"
    CUT = "cut"
    """Connections are reset, and new ones too: a service's host refuses."""
    DUMB = "dumb"
    """Connections stand, new ones included, and nothing passes: a firewall that drops."""
    DEAF = "deaf"
    """Half open: what the worker sends arrives, and no answer comes back."""
    SLOW = "slow"


class Wire:
    """Listens on `port` and passes everything on to another port of this machine. Entered, it listens."""

    def __init__(self, to_port: int) -> None:
        """Choose a port."""
        self.port = free_port()
        self.to_port = to_port
        self.state = State.OPEN
        self._changed = asyncio.Event()
        self._ends: set[asyncio.StreamWriter] = set()
        self._lines: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    async def __aenter__(self) -> Self:
        self.state = State.OPEN
        self._server = await asyncio.start_server(self._connected, HOST, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.turn(State.CUT)
        await asyncio.gather(*self._lines, return_exceptions=True)

    def turn(self, state: State) -> None:
        """Do this from now on."""
        self.state = state
        self._changed.set()
        self._changed = asyncio.Event()
        if state is State.CUT:
            self.reset()

    def reset(self) -> None:
        """Reset every connection that there is: both sides see it at once."""
        for end in self._ends:
            end.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.create_task(self._line(reader, writer))
        self._lines.add(line)
        line.add_done_callback(self._lines.discard)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state is State.CUT:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection(HOST, self.to_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there_writer}
        self._ends |= ends
        try:
            await asyncio.gather(
                self._pass(reader, there_writer, back=False), self._pass(there_reader, writer, back=True)
            )
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool) -> None:
        """Pass on what comes, until one side is closed; then close the other one."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_SLOW_PIECE if self.state is State.SLOW else _PIECE):
                while self.state is State.DUMB or (back and self.state is State.DEAF):
                    await self._changed.wait()
                if self.state is State.SLOW:
                    await asyncio.sleep(_DELAY_S)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()
