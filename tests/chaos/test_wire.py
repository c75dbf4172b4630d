"""A wire does what its state says."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from streams.child import HOST, free_port
from tests.chaos.driver.wire import State, Wire
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Connect = Callable[[], Awaitable["Line"]]

SOON_S = 0.3


class Echo:
    """A server that answers each byte with itself, and what it heard."""

    def __init__(self) -> None:
        self.heard = b""
        self.port = free_port()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1):
                self.heard += data
                writer.write(data)
        writer.close()


class Line:
    """A connection through the wire."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hears(self, wanted: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            assert await self.reader.readexactly(len(wanted)) == wanted

    async def is_dead(self) -> None:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(PATIENCE_S):
                assert await self.reader.read() == b""

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON_S):
                await self.reader.read(1)


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, HOST, echo.port)
    yield echo
    server.close()


@pytest_asyncio.fixture
async def wire(echo: Echo) -> AsyncIterator[Wire]:
    async with Wire(echo.port) as wire:
        yield wire


@pytest_asyncio.fixture
async def connect(wire: Wire) -> AsyncIterator[Connect]:
    lines: list[Line] = []

    async def connect() -> Line:
        lines.append(Line(*await asyncio.open_connection(HOST, wire.port)))
        return lines[-1]

    yield connect
    for line in lines:
        line.writer.close()
        with contextlib.suppress(OSError):
            await line.writer.wait_closed()


@pytest.mark.embedded
@pytest.mark.parametrize("state", [State.OPEN, State.SLOW])
async def test_what_is_open_or_slow_passes_all(wire: Wire, connect: Connect, state: State) -> None:
    wire.turn(state)
    line = await connect()
    line.say(b"abc")
    await line.hears(b"abc")


@pytest.mark.embedded
async def test_what_is_cut_is_dead_and_whole_again_later(wire: Wire, connect: Connect) -> None:
    before = await connect()
    before.say(b"a")
    await before.hears(b"a")
    wire.turn(State.CUT)
    await before.is_dead()
    await (await connect()).is_dead()
    wire.turn(State.OPEN)
    after = await connect()
    after.say(b"b")
    await after.hears(b"b")


@pytest.mark.embedded
@pytest.mark.parametrize(("state", "heard"), [(State.DUMB, b""), (State.DEAF, b"ab")])
async def test_what_is_dumb_or_deaf_holds_back_and_goes_on(
    wire: Wire, connect: Connect, echo: Echo, state: State, heard: bytes
) -> None:
    lines = [await connect()]
    wire.turn(state)
    lines.append(await connect())
    for line, said in zip(lines, (b"a", b"b"), strict=True):
        line.say(said)
        await line.hears_nothing()
    assert echo.heard == heard
    wire.turn(State.OPEN)
    for line, said in zip(lines, (b"a", b"b"), strict=True):
        await line.hears(said)
