"""The stream as its users hear it (httpx-sse), and changes appended to its topic without a worker."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import orjson
from aiokafka import AIOKafkaProducer
from httpx_sse import aconnect_sse

from state.change import Change
from streams.changes import headers_of, make_entry, value_of
from streams.http.serving import serving
from streams.replay.sender import partition_of
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from httpx_sse import ServerSentEvent

    from streams.settings import Settings
    from tests.integration.pipeline import Pipeline

"""A broker that was killed takes a while to be back."""


@dataclass
class Ear:
    """One connection: what it said so far, and the id that a browser would come back with."""

    response: httpx.Response
    events: AsyncGenerator[ServerSentEvent, None]
    id: str = ""
    heard: list[ServerSentEvent] = field(default_factory=list)

    async def next(self) -> ServerSentEvent:
        """Return the next event; a block without data only moves the id, as in a browser."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event = await anext(self.events)
                self.id = event.id
                if event.data:
                    self.heard.append(event)
                    return event

    async def numbers(self, count: int) -> list[int]:
        """Return the `seq` of the next changes; anything else is no change."""
        return [orjson.loads((await self.next()).data)["seq"] for _ in range(count)]

    async def ends(self) -> None:
        """Wait until the server ends it."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self.events:
                self.id = event.id


@contextlib.asynccontextmanager
async def hearing(
    url: str, key: str | None, query: str = "", last_event_id: str | None = None, **options: Any
) -> AsyncIterator[Ear]:
    """Listen; with a Last-Event-ID as a browser that comes back."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    headers |= {} if key is None else {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, **options) as client,
        aconnect_sse(client, "GET", f"/v1/stream{query}", headers=headers) as source,
    ):
        assert source.response.status_code == 200, await source.response.aread()
        ear = Ear(source.response, source.aiter_sse())
        ear.id = (await anext(ear.events)).id
        yield ear


@contextlib.asynccontextmanager
async def on_services(pipeline: Pipeline, times: int = 1) -> AsyncIterator[Sequence[str]]:
    """Run servers of one app, and yield their URLs."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(serving(_anywhere(pipeline.settings), ["lookup"])) for _ in range(times)]


def _anywhere(settings: Settings) -> Settings:
    return settings.model_copy(update={"http_port": 0})


async def append(
    pipeline: Pipeline, numbers: Sequence[int], *, customer: str | None = None, app_id: str | None = None, size: int = 0
) -> None:
    """Append a change for each number, its `seq`, of a customer of its own where none is named."""
    app = app_id or pipeline.settings.app_id
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker, max_request_size=16 << 20) as producer:
        for number in numbers:
            whose = customer or f"c{number}"
            because = [{"path": "when", "holds": True, "value": "x" * size, "wanted": "x", "text": "x"}]
            kind = "entered" if number % 2 else "exited"
            change = Change(
                whose, number, kind, "seen", None, None, 0, {"type": "timer"}, because, ["seen"], "cb0f2787a085"
            )
            entry = make_entry(app, change, number)
            await producer.send(
                pipeline.topics.changes,
                value_of(entry, "2026-03-01T12:00:00.000Z"),
                key=whose.encode(),
                headers=headers_of(app, entry),
                partition=partition_of(whose.encode(), pipeline.settings.partitions),
            )
        await producer.flush()


async def deaf(url: str, key: str) -> asyncio.StreamWriter:
    """Return the connection of a client that asks for the stream and then reads no more."""
    handle = socket.socket()
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    handle.setblocking(False)
    await asyncio.get_running_loop().sock_connect(handle, ("127.0.0.1", int(url.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=handle, limit=1_024)
    writer.write(f"GET /v1/stream HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    assert b"200" in await reader.readline()
    return writer
