"""Those who mean harm: memory stays bounded, good clients are served beside them, no answer is out of contract."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.integration.http_server import http_server
from tests.unit.http_fakes import is_flat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer

# whichever broker stands behind it, and one is enough
pytestmark = [pytest.mark.embedded]

BOUND_MIB = 400
"""Over what the process has at rest: 64 MiB in flight, 16 of strangers', one large body taken apart, buffers."""

ZIPPED = {"Content-Encoding": "gzip"}
MIB = 1024 * 1024


def memory_mib(pid: int) -> float:
    """Return the most memory a process has had; where nothing tells (macOS), what it has."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmHWM" in line) / 1024
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024


async def refused(
    http: HttpServer, body: bytes, *statuses: int, times: int = 20, headers: Mapping[str, str] | None = None
) -> None:
    answers = await asyncio.gather(
        *[http.client.post("/v1/batch", content=body, headers=headers) for _ in range(times)]
    )
    for answer in answers:
        assert answer.status_code in statuses, answer.text[:200]
        if answer.status_code != 200:
            is_flat(answer, answer.status_code, answer.json()["code"])


async def raw(http: HttpServer, *pieces: bytes, until_closed: bool = True) -> None:
    """Send pieces on a connection of its own, until the server has had enough."""
    with contextlib.suppress(ConnectionError):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(http.url.rpartition(":")[2]))
        with contextlib.closing(writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if until_closed:
                await reader.read()


async def bombs(http: HttpServer) -> None:
    await refused(http, gzip.compress(b"0" * 100 * MIB), 413, headers=ZIPPED)


async def bombs_of_nothing(http: HttpServer) -> None:
    await refused(http, gzip.compress(b"") * 200_000, 400, times=5, headers=ZIPPED)


async def deep(http: HttpServer) -> None:
    item = b'{"type":"track","userId":"c1","event":"Seen","p":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    await refused(http, b'{"batch":[' + b",".join([item] * 20) + b"]}", 400, times=5)
    await refused(http, b"[" * 4 * MIB, 400, 429, times=5)


async def many_items(http: HttpServer) -> None:
    # 408: on a busy machine so many bodies of megabytes may not be there in time, and are refused for that
    await refused(http, b'{"batch":[' + b"{}," * 1_300_000 + b"{}]}", 408, 413, 429, times=10)
    await refused(http, b'{"batch":["\\ud83d"' + b",[]" * 1_300_000 + b"]}", 408, 413, 429)


async def strangers(http: HttpServer) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65_536

    async def stranger() -> None:
        async with httpx.AsyncClient(base_url=http.url, timeout=20) as client:
            answer = await client.post("/v1/batch", content=body())
            assert answer.status_code in (401, 429)

    await asyncio.gather(*[stranger() for _ in range(40)])


async def floods(http: HttpServer) -> None:
    lines = [b"x: %s\r\n" % (b"y" * 10_000)] * 100
    await asyncio.gather(*[raw(http, b"GET / HTTP/1.1\r\n", *lines) for _ in range(50)])


async def slow_bodies(http: HttpServer) -> None:
    head = [
        "POST /v1/batch HTTP/1.1",
        "Host: segue",
        f"Authorization: Bearer {http.write_key}",
        "Content-Length: 4000000",
    ]
    start = "\r\n".join([*head, "", ""]).encode()
    await asyncio.gather(*[raw(http, start, b"{" * 10_000) for _ in range(200)])


async def wrong_keys(http: HttpServer) -> None:
    for number in range(300):
        answer = await http.client.post("/v1/track", content=b"{}", auth=(f"wrong-{number}", ""))
        is_flat(answer, 401, "wrong_key")


ATTACKS: list[Callable[[HttpServer], Awaitable[None]]] = [
    bombs, bombs_of_nothing, deep, many_items, strangers, floods, slow_bodies, wrong_keys,
]  # fmt: skip


async def test_memory_stays_bounded_and_good_clients_are_served(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, process=True, http_read_timeout="2s") as http:
        for number in range(5):
            assert (await http.client.post("/v1/track", json={"userId": f"g{number}", "event": "Seen"})).is_success
        at_rest = memory_mib(http.pid)
        served = 5
        for attack in ATTACKS:
            attacking = asyncio.ensure_future(attack(http))
            while not attacking.done():
                answer = await http.client.post("/v1/track", json={"userId": f"g{served}", "event": "Seen"})
                if answer.status_code != 429:  # a good client that is told to come again does
                    assert answer.status_code == 200, answer.text
                    served += 1
                await asyncio.sleep(0.02)
            await attacking
        most = memory_mib(http.pid)
        with capsys.disabled():
            print(  # noqa: T201 - the figure is to be seen
                f"\n  segue serve: {at_rest:.0f} MiB at rest, {most:.0f} MiB at most, {served} events served beside"
            )
        assert most - at_rest < BOUND_MIB
        assert sum(event["userId"].startswith("g") for event in await http.events()) == served


async def test_no_answer_is_out_of_contract(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        await asyncio.to_thread(fuzz, http.url, http.write_key)


def fuzz(url: str, key: str, *more: str, unchecked: str = "negative_data_rejection") -> None:
    """Ask every route of the OpenAPI, or those that `more` names, what it should, and should not, be asked."""
    words = [*more, "--header", f"Authorization: Bearer {key}", "--phases", "examples,coverage,fuzzing"]
    # of an event, what has another type than it should counts as absent (an SDK's slip costs no event)
    words += ["--exclude-checks", unchecked]
    # the short names of analytics.js, and import, are the same handlers again
    words += ["--exclude-path-regex", r"^/v1/(\w|import)$"]
    words += ["--max-examples", "5", "--seed", "1", "--generation-database", "none", "--no-color"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
