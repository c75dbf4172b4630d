"""What goes out together: an answer's head with its body, where that comes at once."""

from __future__ import annotations

import asyncio

import pytest

from streams.http.outgoing import Outgoing

HEAD, BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", b"body"


class Wire(asyncio.Transport):
    """Keeps what was written, packet by packet."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.closed = ""

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        assert not self.closed
        self.packets.append(data)

    def is_closing(self) -> bool:
        return bool(self.closed)

    def close(self) -> None:
        self.closed = "closed"

    def abort(self) -> None:
        self.closed = "aborted"

    def pause_reading(self) -> None:
        self.packets.append(b"pause")

    def resume_reading(self) -> None:
        self.packets.append(b"resume")


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def outgoing(wire: Wire) -> Outgoing:
    return Outgoing(wire, asyncio.get_running_loop())


async def test_head_and_body_are_one_packet(wire: Wire, outgoing: Outgoing) -> None:
    for _ in range(2):
        outgoing.write(HEAD)
        outgoing.write(BODY)
    assert wire.packets == [HEAD + BODY] * 2
    await asyncio.sleep(0)
    assert wire.packets == [HEAD + BODY] * 2


async def test_a_head_waits_no_longer_than_its_turn(wire: Wire, outgoing: Outgoing) -> None:
    outgoing.write(HEAD)
    assert wire.packets == []
    await asyncio.sleep(0)
    assert wire.packets == [HEAD]
    outgoing.write(BODY)
    outgoing.write(BODY)
    assert wire.packets == [HEAD, BODY, BODY]


async def test_a_large_body_is_not_copied(wire: Wire, outgoing: Outgoing) -> None:
    large = bytes(100_000)
    outgoing.write(HEAD)
    outgoing.write(large)
    assert wire.packets == [HEAD, large]
    assert wire.packets[1] is large


async def test_what_is_closed_is_written_before_and_what_is_aborted_is_not(wire: Wire, outgoing: Outgoing) -> None:
    outgoing.write(HEAD)
    outgoing.close()
    assert (wire.packets, wire.closed) == ([HEAD], "closed")
    other = Wire()
    aborted = Outgoing(other, asyncio.get_running_loop())
    aborted.write(HEAD)
    aborted.abort()
    await asyncio.sleep(0)
    assert (other.packets, other.closed) == ([], "aborted")


async def test_nothing_goes_to_a_connection_that_closed_meanwhile(wire: Wire, outgoing: Outgoing) -> None:
    outgoing.write(HEAD)
    wire.close()  # by whoever has the connection's own transport
    assert outgoing.is_closing()
    await asyncio.sleep(0)
    assert wire.packets == []


async def test_reading_is_the_connections_own(wire: Wire, outgoing: Outgoing) -> None:
    outgoing.pause_reading()
    outgoing.resume_reading()
    assert wire.packets == [b"pause", b"resume"]
