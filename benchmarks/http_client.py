"""The client of the HTTP benchmarks: requests ready made, sent over open connections; and the servers' processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson

from benchmarks.services import cpu_s

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    Ask = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]

CUSTOMERS = 50_000


@dataclass
class Run:
    """What one run showed; latencies in seconds."""

    requests: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    lateness: list[float] = field(default_factory=list)
    """How much too late the client itself woke up, where it had time to sleep."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.wall_s

    def quantile_ms(self, share: float) -> float:
        """Return the latency that this share of requests stays within, in ms."""
        return quantile_ms(self.latencies, share)


def quantile_ms(seconds: Sequence[float], share: float) -> float:
    """Return what this share of the times stays within, in ms."""
    return statistics.quantiles(seconds, n=1000)[round(share * 1000) - 1] * 1000


def requests_of(path: str, events: int, key: str, count: int) -> list[bytes]:
    """Return `count` requests, ready to be written, of customers of their own."""
    found = []
    for number in range(count):
        items = [_event(number * events + item) for item in range(events)]
        body = orjson.dumps(items[0] if events == 1 else {"batch": items, "sentAt": _now()})
        head = (
            f"POST {path} HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        found.append(head.encode() + body)
    return found


def customer_of(number: int) -> str:
    """Return the id of one of the customers."""
    return str(uuid.UUID(int=number % CUSTOMERS * 7_919_000_000_000_000_000_000))


def _event(number: int) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": str(uuid.uuid4()),
        "userId": customer_of(number),
        "event": "Order Completed",
        "timestamp": _now(),
        "properties": {"total": 99.5, "currency": "EUR", "products": [{"id": "p-1", "price": 49.75, "quantity": 2}]},
        "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "ip": "192.0.2.7"},
    }


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """Send one request and read its answer, which must be a 200."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if b" 200 " not in head[:16]:
        raise SystemExit((head + body).decode())


async def measure(
    port: int, pid: int, requests: Sequence[bytes], connections: int, run_s: float, rate: float, ask: Ask = ask
) -> Run:
    """Ask for so long over so many connections: as fast as answers come, or where `rate` is not 0, at that rate.

    `ask` sends one request and reads its answer.
    """
    run, number = Run(), 0
    begun = time.perf_counter()
    until = begun + run_s
    cpu_before = cpu_s(pid)

    async def client() -> None:
        nonlocal number
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            while True:
                number += 1
                due = begun + number / rate if rate else time.perf_counter()
                if max(due, time.perf_counter()) >= until:
                    return
                request = requests[number % len(requests)]
                if (pause_s := due - time.perf_counter()) > 0:
                    await asyncio.sleep(pause_s)
                    run.lateness.append(time.perf_counter() - due)
                await ask(reader, writer, request)
                # from when it was due: a server that stands still is not let off
                run.latencies.append(time.perf_counter() - due)

    await asyncio.gather(*[client() for _ in range(connections)])
    run.requests = len(run.latencies)
    run.wall_s = time.perf_counter() - begun
    run.cpu_s = cpu_s(pid) - cpu_before
    return run


@contextlib.asynccontextmanager
async def process(*words: str, environment: dict[str, str], says: bool = True, nice: int = 0) -> AsyncIterator[int]:
    """Run a server; yields its process id when it has said that it serves, or at once where it says nothing.

    It gives way to others by as much as `nice` says, in all of its threads.
    """
    pipe = asyncio.subprocess.PIPE
    before = ("nice", "-n", str(nice)) if nice else ()
    child = await asyncio.create_subprocess_exec(
        *before, sys.executable, *words, env=os.environ | environment, stdout=pipe
    )
    try:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        if says and not await child.stdout.readline():
            message = f"{words[-1]} did not start"
            raise SystemExit(message)
        yield child.pid
    finally:
        child.terminate()
        await child.communicate()
