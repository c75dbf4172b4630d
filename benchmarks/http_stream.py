"""The stream under load: how long until the last of many clients has a change, and what each client costs."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from benchmarks.services import cpu_s
from rules.dates import format_ms
from state.change import Change
from streams.changes import headers_of, make_entry, value_of
from streams.settings import Settings
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.http_site import Site

CLIENTS = 1_000
CHANGES = 30
BURST = 100
WANTED_MS = 250
_PAUSE_S = 0.1


class Listener(asyncio.Protocol):
    """A client that counts the changes that come in, and tells each time its number is one that is waited for."""

    def __init__(self, request: bytes, crowd: Crowd) -> None:
        self._request = request
        self._crowd = crowd
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP's is one
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count what came whole; the end of it may be the beginning of the next one."""
        data = self._rest + data
        self._rest = data[-len(MARK) + 1 :]
        self._crowd.hear(data.count(MARK), begun=b"retry: " in data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so: nobody is to be cut off here."""
        self._crowd.lost += 1


MARK = b"event: segment."


class Crowd:
    """All clients together."""

    def __init__(self) -> None:
        """Nobody has heard anything."""
        self.begun = self.heard = self.lost = 0
        self._wanted = 0
        self._there = asyncio.Event()

    def hear(self, changes: int, *, begun: bool) -> None:
        """Note what one of them heard."""
        self.begun += begun
        self.heard += changes
        if self.heard >= self._wanted:
            self._there.set()

    def expect(self, more: int) -> None:
        """Wait for so many more from now on."""
        self._wanted = self.heard + more
        self._there.clear()

    async def have(self) -> None:
        """Wait until they are there."""
        async with asyncio.timeout(30):
            await self._there.wait()


def request_of(key: str, query: str = "") -> bytes:
    """Return what a client sends."""
    return f"GET /v1/stream{query} HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


@contextlib.asynccontextmanager
async def listening(port: int, requests: Sequence[bytes]) -> AsyncIterator[Crowd]:
    """Have clients listen."""
    loop, crowd = asyncio.get_running_loop(), Crowd()
    transports = []
    for request in requests:
        transport, _ = await loop.create_connection(lambda request=request: Listener(request, crowd), "127.0.0.1", port)  # type: ignore[misc]  # mypy infers no lambda with defaults
        transports.append(transport)
    async with asyncio.timeout(60):
        while crowd.begun < len(requests):  # noqa: ASYNC110 - it counts
            await asyncio.sleep(0.01)
    try:
        yield crowd
    finally:
        for transport in transports:
            transport.abort()


async def append(producer: AIOKafkaProducer, topic: str, app_id: str, customers: Sequence[str]) -> None:
    """Append a change of each of these customers to the topic, together."""
    now_ms = time.time_ns() // 1_000_000
    for number, customer in enumerate(customers):
        change = Change(
            customer=customer,
            seq=now_ms,
            change="entered",
            segment=f"segment-{number % 7}",
            segmentation=None,
            other=None,
            at=now_ms,
            cause={"type": "event", "event": "Order Completed", "message_id": "m-1"},
            because=[{"path": "when.did", "holds": True, "value": 3, "wanted": "gte 3", "text": "did Order Completed"}],
            segments=["newsletter", f"segment-{number % 7}"],
            ruleset="cb0f2787a085",
        )
        entry = make_entry(app_id, change, 1)
        value = value_of(entry, format_ms(now_ms))
        await producer.send(topic, value, key=customer.encode(), headers=list(headers_of(app_id, entry)))
    await producer.flush()


async def stream(site: Site) -> None:
    """Run it and print the rows."""
    settings = Settings(**site.given)
    topic, key = Topics.named(settings).changes, site.keys["read"]
    async with (
        site.serving("--only", "lookup", http_streams=10 * CLIENTS, http_connections=20 * CLIENTS) as (pid, port),
        AIOKafkaProducer(bootstrap_servers=settings.broker, linger_ms=0) as producer,
    ):
        async with listening(port, [request_of(key)] * 10):
            before = _rss_bytes(pid)
        print(f"\nstream, {CLIENTS:,} clients, {CHANGES} changes, one every {_PAUSE_S * 1000:.0f} ms")
        async with listening(port, [request_of(key)] * CLIENTS) as crowd:
            each = (_rss_bytes(pid) - before) / CLIENTS
            for name, query_count, burst in (("one change", CHANGES, 1), (f"{BURST} changes at once", 5, BURST)):
                took, cpu = [], cpu_s(pid)
                for _ in range(query_count):
                    crowd.expect(burst * CLIENTS)
                    begun = time.perf_counter()
                    await append(producer, topic, settings.app_id, ["c42"] * burst)
                    await crowd.have()
                    took.append((time.perf_counter() - begun) * 1000)
                    await asyncio.sleep(_PAUSE_S)
                cpu_us = (cpu_s(pid) - cpu) / (query_count * burst * CLIENTS) * 1e6
                print(
                    f"  {name:<22} appended to last client: median {statistics.median(took):>6.1f} ms, "
                    f"max {max(took):>6.1f} ms (wanted: {WANTED_MS} ms), {cpu_us:.1f} µs CPU a client and change"
                )
            print(f"  {each / 1024:.1f} KiB of memory a client; {crowd.lost} cut off")


def _rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024
