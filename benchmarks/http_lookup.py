"""How long a lookup takes beside ingest at 10,000 events a second, which a worker works through meanwhile.

Once with both edges in one process, and once with a process each.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.http_client import Run, ask, customer_of, measure, requests_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.http_site import Site

RULES = Path(__file__).parent / "w1.yaml"
BATCHES_A_S = 100
LOOKUPS_A_S = 1_000
CUSTOMERS = 5_000
WAYS: dict[str, list[tuple[str, ...]]] = {
    "one process": [()],
    "a process each": [("--only", "ingest"), ("--only", "lookup")],
}
_CONNECTIONS = 32
_LONGEST_S = 60.0


async def lookup(site: Site) -> None:
    """Run the cases and print what they showed."""
    batches = requests_of("/v1/batch", 100, site.write_key, CUSTOMERS // 100)
    lookups = [_lookup(customer_of(number), site.keys["read"]) for number in range(CUSTOMERS)]
    async with site.working(RULES):
        for name, words in WAYS.items():
            async with contextlib.AsyncExitStack() as stack:
                served = [await stack.enter_async_context(site.serving(*one)) for one in words]
                ingest, answers = served[0], served[-1]
                await _known(ingest[1], answers[1], batches, lookups)
                print(f"\nlookup, {LOOKUPS_A_S:,} requests/s, {name}")
                for run_number in range(site.runs):
                    alone = await measure(*answers[::-1], lookups, _CONNECTIONS, site.seconds, LOOKUPS_A_S)
                    beside, loaded = await asyncio.gather(
                        measure(*answers[::-1], lookups, _CONNECTIONS, site.seconds, LOOKUPS_A_S),
                        measure(*ingest[::-1], batches, 16, site.seconds, BATCHES_A_S),
                    )
                    rate = f"beside {loaded.rate * 100:,.0f} events/s"
                    print(f"  run {run_number + 1}: alone {_said(alone)}; {rate} {_said(beside)}")


def _said(run: Run) -> str:
    return f"p50 {run.quantile_ms(0.5):.1f} ms, p99 {run.quantile_ms(0.99):.1f} ms"


def _lookup(customer: str, key: str) -> bytes:
    return f"GET /v1/customers/{customer} HTTP/1.1\r\nHost: segue\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


async def _known(ingest: int, answers: int, batches: Sequence[bytes], lookups: Sequence[bytes]) -> None:
    """Send each customer's first event, and wait until all have a view."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest)
    with contextlib.closing(writer):
        for batch in batches:
            await ask(reader, writer, batch)
    until = time.monotonic() + _LONGEST_S
    reader, writer = await asyncio.open_connection("127.0.0.1", answers)
    with contextlib.closing(writer):
        for one in lookups:
            while True:
                try:
                    await ask(reader, writer, one)
                except SystemExit:
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    break
