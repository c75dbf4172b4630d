"""A marketing tool that gets webhooks and keeps what it got."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TO_THIS_MACHINE: dict[str, Any] = {"webhooks_http": True, "webhooks_networks": ["127.0.0.0/8"]}
"""Settings under which webhooks may go to it."""


class Got:
    """One request."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> dict[str, Any]:
        """Return the body, verified by the library."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


class MarketingTool:
    """What listens; it answers `status`."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.got: list[Got] = []
        self._came = asyncio.Condition()

    async def wait_for(self, count: int) -> list[Got]:
        """Return all that it got, once there are so many."""
        async with asyncio.timeout(PATIENCE_S), self._came:
            await self._came.wait_for(lambda: len(self.got) >= count)
            return self.got

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 5\r\n\r\nheard" % self.status)
                await writer.drain()
                async with self._came:
                    self.got.append(Got(headers, body))
                    self._came.notify_all()
        writer.close()


@contextlib.asynccontextmanager
async def marketing_tool() -> AsyncIterator[MarketingTool]:
    """Listen on this machine for as long as the context lasts."""
    tool = MarketingTool()
    server = await asyncio.start_server(tool.serve, "127.0.0.1", 0)
    tool.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/segue"
    try:
        yield tool
    finally:
        server.close()
