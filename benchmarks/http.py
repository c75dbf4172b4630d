"""How many events ingest takes over HTTP, and how long an answer takes at half of what is wanted.

Beside it, in turns, a bare endpoint of the same server that parses the JSON and answers: how much of the limit ingest
reaches. The servers, the broker, the store and the client that asks are processes of their own on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.services import cpu_s, make_broker
from state.access import AccessKeys
from streams.child import free_port
from streams.embedded import EmbeddedValkey
from streams.settings import Settings
from streams.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CUSTOMERS = 50_000
WARM_S = 1.0
CASES = {"batches of 100": ("/v1/batch", 100, 16, 200), "single events": ("/v1/track", 1, 64, 2_000)}
"""Name -> path, events a request, connections, requests a second that are wanted."""


@dataclass
class Run:
    """What one run showed; latencies in seconds."""

    requests: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.wall_s

    def quantile_ms(self, share: float) -> float:
        """Return the latency that this share of requests stays within, in ms."""
        return statistics.quantiles(self.latencies, n=1000)[round(share * 1000) - 1] * 1000


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


def _event(number: int) -> dict[str, object]:
    customer = uuid.UUID(int=number % CUSTOMERS * 7_919_000_000_000_000_000_000)
    return {
        "type": "track",
        "messageId": str(uuid.uuid4()),
        "userId": str(customer),
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


async def measure(port: int, pid: int, requests: Sequence[bytes], connections: int, run_s: float, rate: float) -> Run:
    """Ask for so long over so many connections: as fast as answers come, or where `rate` is not 0, at that rate."""
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
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                await ask(reader, writer, request)
                # from when it was due: a server that stands still is not let off
                run.latencies.append(time.perf_counter() - due)

    await asyncio.gather(*[client() for _ in range(connections)])
    run.requests = len(run.latencies)
    run.wall_s = time.perf_counter() - begun
    run.cpu_s = cpu_s(pid) - cpu_before
    return run


@contextlib.asynccontextmanager
async def process(*words: str, environment: dict[str, str]) -> AsyncIterator[int]:
    """Run a server; yields its process id when it has said that it serves."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, *words, env=os.environ | environment, stdout=pipe)
    try:
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        if not await child.stdout.readline():
            message = f"{words[-1]} did not start"
            raise SystemExit(message)
        yield child.pid
    finally:
        child.terminate()
        await child.communicate()


async def main() -> None:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run takes")
    parser.add_argument("--runs", type=int, default=3, help="of each kind; the best counts")
    arguments = parser.parse_args()
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(make_broker(arguments.broker))
        valkey = await stack.enter_async_context(EmbeddedValkey())
        ports = {"bare": free_port(), "ingest": free_port()}
        given: dict[str, Any] = {
            "broker": broker.address,
            "redis": valkey.url,
            "allow_create_time": True,
            "http_port": ports["ingest"],
        }
        await create_topics(Settings(**given))
        store = AccessKeys(valkey.url, "segue", patience_s=5)
        key = await store.add("benchmark", "write", 0)
        await store.close()
        environment = {f"SEGUE_{name.upper()}": str(value) for name, value in given.items()}
        serve = ("-c", "from streams.cli import main; main()", "serve")
        bare = ("-m", "benchmarks.bare_http", str(ports["bare"]))
        pids = {
            "ingest": await stack.enter_async_context(process(*serve, environment=environment)),
            "bare": await stack.enter_async_context(process(*bare, environment={})),
        }
        for name, (path, events, connections, wanted) in CASES.items():
            requests = requests_of(path, events, key, 200 if events > 1 else 5_000)
            print(f"\n{name}, {connections} connections, requests of {len(requests[0]):,} bytes")
            best = await _fastest(requests, connections, ports, pids, arguments)
            for kind, run in best.items():
                _show(kind, run, events)
            print(f"  ingest reaches {best['ingest'].rate / best['bare'].rate:.0%} of the bare endpoint")
            run = await measure(ports["ingest"], pids["ingest"], requests, connections, arguments.seconds, wanted / 2)
            print(
                f"  at half of what is wanted, {run.rate:,.0f} requests/s: p50 {run.quantile_ms(0.5):.1f} ms, "
                f"p99 {run.quantile_ms(0.99):.1f} ms"
            )


async def _fastest(
    requests: Sequence[bytes],
    connections: int,
    ports: dict[str, int],
    pids: dict[str, int],
    arguments: argparse.Namespace,
) -> dict[str, Run]:
    """Run both in turns, and return the best run of each."""
    best: dict[str, Run] = {}
    for kind, port in ports.items():
        await measure(port, pids[kind], requests, connections, WARM_S, 0)
    for _ in range(arguments.runs):
        for kind, port in ports.items():
            run = await measure(port, pids[kind], requests, connections, arguments.seconds, 0)
            if kind not in best or run.rate > best[kind].rate:
                best[kind] = run
    return best


def _show(kind: str, run: Run, events: int) -> None:
    cpu_us = run.cpu_s / run.requests / events * 1e6
    print(
        f"  {kind:<7} {run.rate:>8,.0f} requests/s  {run.rate * events:>9,.0f} events/s  {cpu_us:>6.1f} µs CPU an event"
        f"  p50 {run.quantile_ms(0.5):>6.1f} ms  p99 {run.quantile_ms(0.99):>6.1f} ms"
    )


if __name__ == "__main__":
    asyncio.run(main())
