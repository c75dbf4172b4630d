"""Ten thousand clients of the stream: memory stays bounded, too many come again later, good ones are served."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest

from tests.integration.http_server import http_server
from tests.integration.sse import append, hearing
from tests.integration.test_http_hostile import memory_mib
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

pytestmark = [pytest.mark.embedded]  # whichever broker stands behind it, and one is enough

CLIENTS = 10_000
STREAMS = 2_000
BOUND_MIB = 200
"""Over what the process has at rest: 2,000 streams of some 30 KiB, as many connections that are being refused."""

HEAD_BYTES = 2_048


class Crowd:
    """Clients that hold on to what they get, and ask for no more once they have it."""

    def __init__(self, url: str, key: str) -> None:
        self._port = int(url.rpartition(":")[2])
        self._request = f"GET /v1/stream HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        self.held: list[asyncio.StreamWriter] = []
        self.answers: dict[str, int] = {}

    async def come(self, count: int, at_once: int = 1_000) -> None:
        """Come, so many at once, until each has an answer."""
        for begin in range(0, count, at_once):
            await asyncio.gather(*[self._one() for _ in range(min(at_once, count - begin))])

    async def _one(self) -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=HEAD_BYTES)
            self.held.append(writer)
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            self._count("reset")
            return
        status = head.split()[1].decode()
        if status != "200":
            assert b"retry-after: " in head
            content = orjson.loads(await reader.read())  # the server closes it
            assert content["success"] is False
            status = f"{status} {content['code']}"
        self._count(status)

    def _count(self, answer: str) -> None:
        self.answers[answer] = self.answers.get(answer, 0) + 1

    def leave(self) -> None:
        """Break all connections."""
        for writer in self.held:
            writer.transport.abort()


@contextlib.contextmanager
def many_files() -> Iterator[None]:
    """Let this process have a file for each client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CLIENTS + 1_000
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted, hard)
        )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_clients_take_bounded_memory_and_good_ones_are_served_beside_them(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(many_files())
        http = await stack.enter_async_context(
            http_server(broker, valkey, topic_prefix, app_id, process=True, http_streams=STREAMS + 1)
        )
        lookup = await stack.enter_async_context(
            httpx.AsyncClient(base_url=http.url, auth=(http.read_key, ""), timeout=60)
        )
        good = await stack.enter_async_context(hearing(http.url, http.read_key))
        assert (await http.client.post("/v1/track", json={"userId": "g", "event": "Seen"})).is_success
        at_rest = memory_mib(http.pid)
        crowd = Crowd(http.url, http.read_key)
        stack.callback(crowd.leave)
        coming, served = asyncio.ensure_future(crowd.come(CLIENTS)), 1
        while not coming.done():
            assert (await http.client.post("/v1/track", json={"userId": "g", "event": "Seen"})).status_code == 200
            assert (await lookup.get("/v1/customers/nobody")).status_code == 404
            served += 1
        await coming
        assert crowd.answers.pop("200") == STREAMS
        assert set(crowd.answers) <= {"503 too_many_streams", "503 too_many_connections", "reset"}, crowd.answers
        await append(http.pipeline, range(100), size=1_000)
        assert sorted(await good.numbers(100)) == list(range(100))
        most = memory_mib(http.pid)
        assert f"segue_stream_clients {STREAMS + 1}.0" in (await lookup.get("/metrics")).text
        with capsys.disabled():
            print(  # noqa: T201 - the figure is to be seen
                f"\n  segue serve: {at_rest:.0f} MiB at rest, {most:.0f} MiB at most with {STREAMS:,} streams and "
                f"{CLIENTS - STREAMS:,} refused {crowd.answers}, {served} events served beside"
            )
        assert most - at_rest < BOUND_MIB
        assert len(await http.events()) == served
        crowd.leave()
        async with asyncio.timeout(PATIENCE_S):
            while "segue_stream_clients 1.0" not in (await lookup.get("/metrics")).text:
                pass
