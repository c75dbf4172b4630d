"""How long from a call of Segment's SDK until a webhook is in: ingest, worker, delivery, each a process of its own.

The SDK sends at once (`sync_mode`) in place of collecting for half a second. Each call is of a customer of its own, who
enters one segment by it. Once with nothing else to do, and once beside ingest at 1,000 events a second.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import orjson
from segment.analytics.client import Client as Segment

from benchmarks.http_client import measure, requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.http_site import Site

RULES = Path(__file__).parent / "w1.yaml"
CALLS = 300
WARM = 20
_PAUSE_S = 0.02
_LONGEST_S = 60.0
_HEAD_END = b"\r\n\r\n"


class Receiver(asyncio.Protocol):
    """What webhooks go to: it answers 200, and notes when each customer's came."""

    came: dict[str, asyncio.Future[float]]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP's is one
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Take each request that is whole."""
        self._rest += data
        while _HEAD_END in self._rest:
            head, _, after = self._rest.partition(_HEAD_END)
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(after) < length:
                return
            body, self._rest = after[:length], after[length:]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            waiting = self.came.get(orjson.loads(body)["data"]["customer_id"])
            if waiting is not None and not waiting.done():
                waiting.set_result(time.perf_counter())


async def webhook(site: Site) -> None:
    """Run both cases and print what they showed."""
    loop = asyncio.get_running_loop()
    came: dict[str, asyncio.Future[float]] = {}
    receiving = await loop.create_server(type("Receiver", (Receiver,), {"came": came}), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{receiving.sockets[0].getsockname()[1]}/"
    allowed: dict[str, Any] = {"webhooks_http": True, "webhooks_networks": "127.0.0.0/8"}
    async with site.working(RULES), site.serving(**allowed) as (pid, port):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", auth=(site.keys["admin"], "")) as admin:
            (await admin.post("/v1/webhooks", json={"url": url, "segments": ["active"]})).raise_for_status()
        sdk = Segment(site.write_key, host=f"http://127.0.0.1:{port}", sync_mode=True)
        await _calls(sdk, "warm", WARM, came)
        print("\nfrom the SDK's call to the webhook")
        for run in range(site.runs):
            print(f"  run {run + 1}, alone: {_said(await _calls(sdk, f'alone-{run}', CALLS, came))}")
            requests = requests_of("/v1/batch", 10, site.write_key, 500)
            load = asyncio.create_task(measure(port, pid, requests, 8, _LONGEST_S, 100))
            print(f"  run {run + 1}, beside 1,000 events/s: {_said(await _calls(sdk, f'beside-{run}', CALLS, came))}")
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
    receiving.close()


async def _calls(sdk: Segment, name: str, count: int, came: dict[str, asyncio.Future[float]]) -> Sequence[float]:
    """Return the seconds that each call took to come in."""
    found = []
    for number in range(count):
        customer = f"{name}-{number}"
        came[customer] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        await asyncio.to_thread(sdk.track, customer, "Product Viewed")
        async with asyncio.timeout(_LONGEST_S):
            found.append(await came[customer] - begun)
        await asyncio.sleep(_PAUSE_S)
    return found


def _said(seconds: Sequence[float]) -> str:
    hundredths = statistics.quantiles(seconds, n=100)
    return (
        f"p50 {hundredths[49] * 1000:.0f} ms, p99 {hundredths[98] * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms"
    )
