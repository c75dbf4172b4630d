"""How long a lookup takes beside ingest, which a worker works through meanwhile, at more and more events a second.

Once with both edges in one process, once with a process each, twice with lookups from a replica of the store, of which
once both go before the others, and once with a process each and worker and ingest that give way.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from redis.asyncio import Redis

from benchmarks.follower import following
from benchmarks.http_client import Run, ask, customer_of, quantile_ms
from benchmarks.http_load import Load, batches_of, lookups_of, run_loads
from benchmarks.priorities import go_first
from state.keys import Keys
from streams.settings import Settings

if TYPE_CHECKING:
    from benchmarks.http_site import Site

RULES = Path(__file__).parent / "w1.yaml"
EVENTS_A_S = (0, 1_000, 2_500, 5_000, 10_000)
LOOKUPS_A_S = 1_000
CUSTOMERS = 5_000
_CONNECTIONS = 32
_BATCHES_AT_ONCE = 16
_LONGEST_S = 60.0
_PARTS = ("worker", "ingest", "lookup", "broker", "store", "replica", "clients")


class Way(NamedTuple):
    """How segue's processes are laid out: whether lookup has one of its own, and how nice the others are then.

    With `replica`, lookups read one of the store; with `first`, that one and lookup's process go before all others.
    """

    name: str
    apart: bool
    nice: int = 0
    replica: bool = False
    first: bool = False


WAYS = (
    Way("both edges in one process", apart=False),
    Way("a process each", apart=True),
    Way("a process each, lookups from a replica", apart=True, replica=True),
    Way("the same, lookup's process and the replica in real time (root)", apart=True, replica=True, first=True),
    Way("a process each, worker and ingest at nice 19", apart=True, nice=19),
)


async def lookup(site: Site) -> None:
    """Run the cases and print what they showed."""
    for way in WAYS:
        async with contextlib.AsyncExitStack() as stack:
            worker = await stack.enter_async_context(site.working(RULES, nice=way.nice))
            settings, processes = {}, dict(site.services)
            if way.replica:
                follower = await stack.enter_async_context(following(site.given["redis"]))
                settings["redis_views"], processes["replica"] = follower.url, follower.pid
            words = (("--only", "ingest"), ("--only", "lookup")) if way.apart else ((),)
            served = [
                await stack.enter_async_context(
                    site.serving(*one, nice=way.nice if one[1:] == ("ingest",) else 0, **settings)
                )
                for one in words
            ]
            ingest, answers = served[0], served[-1]
            if way.first:
                go_first(answers[0])
                go_first(processes["replica"])
            await _known(site, ingest[1], answers[1])
            servers = {"worker": worker, "ingest": ingest[0], "lookup": answers[0], **processes}
            if not way.apart:
                del servers["ingest"]
            print(f"\nlookup, {LOOKUPS_A_S:,} requests/s, {way.name}; CPU in parts of a core")
            print("  events/s     p50     p99      max   client  " + "  ".join(f"{part:>7}" for part in _PARTS))
            for rate in EVENTS_A_S:
                for _ in range(site.runs):
                    await _show(site, rate, ingest[1], answers[1], servers)


async def _show(site: Site, rate: int, ingest: int, answers: int, servers: dict[str, int]) -> None:
    loads = [Load("lookup", answers, site.keys["read"], CUSTOMERS, _CONNECTIONS, LOOKUPS_A_S)]
    if rate:
        loads.append(Load("batch", ingest, site.write_key, CUSTOMERS, _BATCHES_AT_ONCE, rate / 100))
    (seen, *beside), parts = await run_loads(loads, site.seconds, servers)
    taken = sum(run.rate * 100 for run in beside)
    cells = "  ".join(f"{parts[part]:7.0%}" if part in parts else f"{'':7}" for part in _PARTS)
    print(f"  {taken:8,.0f}  {_times(seen)}  {cells}", flush=True)


def _times(run: Run) -> str:
    """Return p50, p99 and the longest, and how late the client woke for one request of a hundred, in ms."""
    late = quantile_ms(run.lateness or [0.0, 0.0], 0.99)
    return f"{run.quantile_ms(0.5):6.1f}  {run.quantile_ms(0.99):6.1f}  {max(run.latencies) * 1000:7.1f}  {late:7.1f}"


async def _known(site: Site, ingest: int, answers: int) -> None:
    """Send an event of each customer, and wait until the worker has applied them, and all have a view."""
    wanted = await _applied(site) + CUSTOMERS
    reader, writer = await asyncio.open_connection("127.0.0.1", ingest)
    with contextlib.closing(writer):
        for batch in batches_of(CUSTOMERS, site.write_key):
            await ask(reader, writer, batch)
    until = time.monotonic() + _LONGEST_S
    while await _applied(site) < wanted:
        if time.monotonic() > until:
            message = "the worker does not get on"
            raise SystemExit(message)
        await asyncio.sleep(0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", answers)
    with contextlib.closing(writer):
        for one in lookups_of([customer_of(number) for number in range(CUSTOMERS)], site.keys["read"]):
            while True:
                try:
                    await ask(reader, writer, one)
                except SystemExit:
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.1)
                else:
                    break


async def _applied(site: Site) -> int:
    """Return how many events the store's partitions have."""
    settings = Settings(**site.given)
    async with Redis.from_url(settings.redis) as client:
        heads = [Keys(settings.app_id).head(partition) for partition in range(settings.partitions)]
        return sum([int(await client.hget(head, "offset") or 0) for head in heads])
