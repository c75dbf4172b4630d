"""A client of the HTTP benchmarks in a process of its own, and how a benchmark runs some of them at once.

It stands for programs on other machines. So it goes before whatever else wants this machine's CPUs, where the user may
say so: what it waits for then is the server, and not its own turn.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks.http_client import Run, ask, customer_of, measure, requests_of
from benchmarks.priorities import go_first
from benchmarks.services import cpu_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.http_client import Ask

_DONE_S = 60.0


class Load(msgspec.Struct, frozen=True):
    """What one client asks of one server: which kind of `KINDS`, of how many customers, how often a second.

    `key` lets it in over HTTP; of Redis, it is what stands before each id. `ids` are the customers, where they are not
    those of the HTTP benchmarks.
    """

    kind: str
    port: int
    key: str
    customers: int
    connections: int
    rate: float
    ids: list[str] = []

    def requests(self) -> list[bytes]:
        """Return what is to be written, one after the other and then from the beginning."""
        ids = self.ids or [customer_of(number) for number in range(self.customers)]
        match self.kind:
            case "lookup":
                return lookups_of(ids, self.key)
            case "get":
                return [b"*2\r\n$3\r\nGET\r\n" + _bulk(self.key.encode() + one.encode()) for one in ids]
            case _:
                return batches_of(self.customers, self.key)


def lookups_of(ids: Sequence[str], key: str) -> list[bytes]:
    """Return a lookup of each customer, ready to be written."""
    head = f"HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n"
    return [f"GET /v1/customers/{one} {head}".encode() for one in ids]


def batches_of(customers: int, key: str) -> list[bytes]:
    """Return events of each customer in batches of 100, ready to be written."""
    return requests_of("/v1/batch", 100, key, customers // 100)


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
    """Send one GET to Redis and read its answer, which must be a value."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n")
    if not head.startswith(b"$") or head.startswith(b"$-"):
        raise SystemExit((request + head).decode())
    await reader.readexactly(int(head[1:]) + 2)


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


KINDS: dict[str, Ask] = {"lookup": ask, "batch": ask, "get": get}


async def run_loads(
    loads: Sequence[Load], seconds: float, servers: Mapping[str, int]
) -> tuple[list[Run], dict[str, float]]:
    """Run a client for each load at once; return what each saw, and what part of a core each process took.

    `servers` names the processes that are watched; all clients together are `clients`. A run's `cpu_s` is its client's.
    """
    pipe = asyncio.subprocess.PIPE
    words = [(sys.executable, "-m", "benchmarks.http_load", msgspec.json.encode(load), str(seconds)) for load in loads]
    clients = [await asyncio.create_subprocess_exec(*each, stdin=pipe, stdout=pipe) for each in words]
    try:
        for client in clients:
            await _line(client)  # its requests are made
        begun, before = time.perf_counter(), {name: cpu_s(pid) for name, pid in servers.items()}
        for client in clients:
            assert client.stdin is not None  # noqa: S101 - it is a pipe
            client.stdin.write(b"\n")
        async with asyncio.timeout(seconds + _DONE_S):
            runs = [msgspec.json.decode(await _line(client), type=Run) for client in clients]
        wall_s = time.perf_counter() - begun
        parts = {name: (cpu_s(pid) - before[name]) / wall_s for name, pid in servers.items()}
        for client in clients:
            await client.wait()
    except BaseException:
        for client in clients:
            if client.returncode is None:
                client.kill()
        raise
    return runs, {**parts, "clients": sum(run.cpu_s for run in runs) / wall_s}


async def _line(client: asyncio.subprocess.Process) -> bytes:
    assert client.stdout is not None  # noqa: S101 - it is a pipe
    parts = []
    while chunk := await client.stdout.read(1 << 20):  # a line of latencies is longer than `readline` takes
        parts.append(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(parts)
    message = "a client ended before its time"
    raise SystemExit(message)


async def _main(load: Load, seconds: float) -> None:
    requests = load.requests()
    go_first()
    print("ready", flush=True)
    sys.stdin.readline()
    run = await measure(load.port, os.getpid(), requests, load.connections, seconds, load.rate, KINDS[load.kind])
    print(msgspec.json.encode(run).decode(), flush=True)


def _fine_loop() -> asyncio.AbstractEventLoop:
    """Return a loop that wakes when something is due: with epoll, asyncio rounds up to whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_fine_loop) as runner:
        runner.run(_main(msgspec.json.decode(sys.argv[1], type=Load), float(sys.argv[2])))
