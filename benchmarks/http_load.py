"""A client of the HTTP benchmarks in a process of its own, and how a benchmark runs some of them at once.

It stands for programs on other machines. So it goes before whatever else wants this machine's CPUs, where the user may
say so: what it waits for then is the server, and not its own turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

import msgspec

from benchmarks.http_client import Run, customer_of, measure, requests_of
from benchmarks.services import cpu_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NICENESS = -10
_DONE_S = 60.0


class Load(msgspec.Struct, frozen=True):
    """What one client asks of one server: which kind of `KINDS`, of how many customers, how often a second."""

    kind: str
    port: int
    key: str
    customers: int
    connections: int
    rate: float


def lookups_of(customers: int, key: str) -> list[bytes]:
    """Return a lookup of each customer, ready to be written."""
    head = f"HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n"
    return [f"GET /v1/customers/{customer_of(number)} {head}".encode() for number in range(customers)]


def batches_of(customers: int, key: str) -> list[bytes]:
    """Return events of each customer in batches of 100, ready to be written."""
    return requests_of("/v1/batch", 100, key, customers // 100)


KINDS = {"lookup": lookups_of, "batch": batches_of}


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
    requests = KINDS[load.kind](load.customers, load.key)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    print("ready", flush=True)
    sys.stdin.readline()
    run = await measure(load.port, os.getpid(), requests, load.connections, seconds, load.rate)
    print(msgspec.json.encode(run).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.argv[1], type=Load), float(sys.argv[2])))
