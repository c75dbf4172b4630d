"""What the server does with those who do not speak HTTP well: each connection is bounded, and answered flat."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import ServiceError
from streams.child import free_port
from streams.http.guard import MAX_HEAD_BYTES
from streams.http.listen import listening
from streams.settings import Settings
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import ASGIApp, Receive, Scope, Send

pytestmark = pytest.mark.embedded  # no broker has a say in it

OK = b'{"success":true}'
GET = b"GET / HTTP/1.1\r\nHost: segue\r\n\r\n"


async def read_nothing(_: Scope, __: Receive, send: Send) -> None:
    """Answer without reading the body, as for a wrong key."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(OK))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": OK})


@contextlib.asynccontextmanager
async def server(app: ASGIApp | None = None, **options: Any) -> AsyncIterator[int]:
    port = free_port()
    async with listening(app or read_nothing, Settings(http_port=port, **options)):
        yield port


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer when all of the body was read."""
    while (message := await receive())["type"] == "http.request" and message["more_body"]:
        pass
    await read_nothing(scope, receive, send)


async def talk(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send the pieces and return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()


def answer(received: bytes) -> tuple[int, dict[str, Any]]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert b"content-length: %d" % len(body) in head
    return int(head.split()[1]), json.loads(body)


async def test_what_is_no_http_is_answered_flat() -> None:
    async with server() as port:
        status, content = answer(await talk(port, b"hello\r\n\r\n"))
        assert (status, content["success"], content["code"]) == (400, False, "bad_http")


@pytest.mark.parametrize(
    "flood",
    [
        [b"GET / HTTP/1.1\r\n", *[b"x-%d: %s\r\n" % (number, b"y" * 1_000) for number in range(100)]],
        [b"GET / HTTP/1.1\r\nx: ", *[b"y" * 10_000] * 10],
        [b"GET /", *[b"y" * 10_000] * 10],
        [b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000],
        [b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n"],
    ],
    ids=["headers", "a header", "a path", "in one piece", "in one piece that ends"],
)
async def test_a_flood_of_headers_is_stopped(flood: list[bytes]) -> None:
    async with server() as port:
        received = await talk(port, *flood)
        # what is sent past the answer resets the connection, and may take the answer with it
        if received not in (b"", b"reset"):
            status, content = answer(received)
            assert (status, content["code"]) == (431, "head_too_large")


@pytest.mark.parametrize(
    "flood",
    [
        [b"1;", *[b"x" * 10_000] * 20],
        [b"0\r\n", *[b"x: %s\r\n" % (b"y" * 1_000)] * 100],
        [b"0\r\nx: ", *[b"y" * 10_000] * 20],
    ],
    ids=["a chunk's extension", "trailers", "a trailer"],
)
async def test_a_flood_behind_the_headers_is_stopped_too(flood: list[bytes]) -> None:
    async with server(read_all) as port:
        received = await talk(port, b"POST / HTTP/1.1\r\nHost: segue\r\nTransfer-Encoding: chunked\r\n\r\n", *flood)
        assert received in (b"", b"reset")


async def test_a_head_of_the_bound_passes() -> None:
    async with server() as port:
        fields = b"".join(b"x: %s\r\n" % (b"y" * 999) for _ in range(MAX_HEAD_BYTES // 1_000 - 1))
        status, _ = answer(await talk(port, GET[:-2] + fields + b"Connection: close\r\n\r\n"))
        assert status == 200


@pytest.mark.parametrize("pieces", [[], [b"GET / HT"], [GET[:-2]], [b"\r\n"]])
async def test_a_head_that_does_not_come_is_not_waited_for(pieces: list[bytes]) -> None:
    async with server(http_read_timeout="50ms") as port:
        assert await talk(port, *pieces) == b""


async def test_a_head_that_drips_is_not_waited_for() -> None:
    async with server(http_read_timeout="50ms") as port:
        received = await talk(port, b"GET / HTTP/1.1\r\n", *[b"x: y\r\n"] * 20, pause_s=0.02)
        assert received in (b"", b"reset")


async def test_a_body_that_nobody_reads_is_read_past_the_answer_then_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as port:
        head = b"POST / HTTP/1.1\r\nHost: segue\r\nContent-Length: 3000000\r\n\r\n"
        whole = await talk(port, head, *[b"x" * 100_000] * 30, GET[:-2] + b"Connection: close\r\n\r\n")
        assert whole.count(OK) == 2  # the next request of the same connection is served too
        monkeypatch.setattr("streams.http.guard.LINGER_S", 0.05)
        assert OK in await talk(port, head, b"x")


async def test_requests_in_one_piece_are_each_answered() -> None:
    async with server() as port:
        received = await talk(port, GET * 20 + GET[:-2] + b"Connection: close\r\n\r\n")
        assert received.count(OK) == 21


async def test_too_many_connections_are_turned_away_and_come_again() -> None:
    async with server(http_connections=3) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in held:
            writer.write(GET)
        for reader, _ in held:
            assert b"200" in await reader.readline()
        received = await talk(port)
        status, content = answer(received)
        assert (status, content["code"]) == (503, "too_many_connections")
        assert b"retry-after: 1" in received
        held[0][1].close()
        await held[0][1].wait_closed()
        async with asyncio.timeout(PATIENCE_S):
            while OK not in await talk(port, GET[:-2] + b"Connection: close\r\n\r\n"):
                pass
        for _, writer in held[1:]:
            writer.close()


async def test_an_address_that_is_taken_is_an_error_with_the_remedy() -> None:
    async with server() as port:
        with pytest.raises(ServiceError, match=rf"127.0.0.1:{port}: cannot serve HTTP there: .*SEGUE_HTTP_PORT"):
            async with listening(read_nothing, Settings(http_port=port)):
                pass


async def test_any_free_port_will_do() -> None:
    async with listening(read_nothing, Settings(http_port=0)) as url:
        status, _ = answer(await talk(int(url.rpartition(":")[2]), GET[:-2] + b"Connection: close\r\n\r\n"))
        assert status == 200


async def test_stopping_waits_for_what_was_asked() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await go_on.wait()
        await read_nothing(scope, receive, send)

    port = free_port()
    async with listening(slow, Settings(http_port=port)):
        talking = asyncio.create_task(talk(port, GET))
        await begun.wait()
        asyncio.get_running_loop().call_later(0.2, go_on.set)
    assert OK in await talking
