"""How many events ingest takes over HTTP, and how long an answer takes at half of what is wanted.

Beside it, in turns, a bare endpoint of the same server that parses the JSON and answers: how much of the limit ingest
reaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.http_client import measure, process, requests_of
from streams.child import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.http_client import Run
    from benchmarks.http_site import Site

WARM_S = 1.0
CASES = {"batches of 100": ("/v1/batch", 100, 16, 200), "single events": ("/v1/track", 1, 64, 2_000)}
"""Name -> path, events a request, connections, requests a second that are wanted."""


async def ingest(site: Site) -> None:
    """Run the cases and print what they showed."""
    bare = free_port()
    async with site.serving() as (pid, port), process("-m", "benchmarks.bare_http", str(bare), environment={}) as other:
        ports, pids = {"bare": bare, "ingest": port}, {"bare": other, "ingest": pid}
        for name, (path, events, connections, wanted) in CASES.items():
            requests = requests_of(path, events, site.write_key, 200 if events > 1 else 5_000)
            print(f"\ningest, {name}, {connections} connections, requests of {len(requests[0]):,} bytes")
            best = await _fastest(requests, connections, ports, pids, site)
            for kind, run in best.items():
                _show(kind, run, events)
            print(f"  ingest reaches {best['ingest'].rate / best['bare'].rate:.0%} of the bare endpoint")
            run = await measure(port, pid, requests, connections, site.seconds, wanted / 2)
            print(
                f"  at half of what is wanted, {run.rate:,.0f} requests/s: p50 {run.quantile_ms(0.5):.1f} ms, "
                f"p99 {run.quantile_ms(0.99):.1f} ms"
            )


async def _fastest(
    requests: Sequence[bytes],
    connections: int,
    ports: dict[str, int],
    pids: dict[str, int],
    site: Site,
) -> dict[str, Run]:
    """Run both in turns, and return the best run of each."""
    best: dict[str, Run] = {}
    for kind, port in ports.items():
        await measure(port, pids[kind], requests, connections, WARM_S, 0)
    for _ in range(site.runs):
        for kind, port in ports.items():
            run = await measure(port, pids[kind], requests, connections, site.seconds, 0)
            if kind not in best or run.rate > best[kind].rate:
                best[kind] = run
    return best


def _show(kind: str, run: Run, events: int) -> None:
    cpu_us = run.cpu_s / run.requests / events * 1e6
    print(
        f"  {kind:<7} {run.rate:>8,.0f} requests/s  {run.rate * events:>9,.0f} events/s  {cpu_us:>6.1f} µs CPU an event"
        f"  p50 {run.quantile_ms(0.5):>6.1f} ms  p99 {run.quantile_ms(0.99):>6.1f} ms"
    )
