"""What a customer takes in Redis, by kind of key, after so many events each.

    python -m benchmarks.storage [--rules w1|standard|all] [--events 200000]

The worker applies the load (20,000 customers, some of them heavy), and then every key is asked for its memory, which is
what Redis says it takes with all its own overhead. Beside it what the server takes in all, over what it took empty.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.contest import EVENTS
from benchmarks.load import make_load
from benchmarks.services import make_broker
from benchmarks.subjects import measure_segue
from benchmarks.throughput import WIDTH
from benchmarks.verdict import Reference

if TYPE_CHECKING:
    from benchmarks.cases import Case

SLICE = 1_000
KINDS = {
    "c": "profile, with the ids of the newest messages",
    "due": "next due instant",
    "customer": "view, which chat tools read",
}
"""The keys that there is one of, or one entry of, for each customer; what else there is grows with the partitions."""
REST = "all else (a partition: offset, sizes, outbox)"


async def weigh(url: str, app: str) -> dict[str, tuple[int, int]]:
    """Return kind of key -> (how many, their bytes); under `all`, what the server takes for data."""
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    async with Redis.from_url(url) as redis:
        keys: list[bytes] = [key async for key in redis.scan_iter(count=SLICE)]
        for begin in range(0, len(keys), SLICE):
            part = keys[begin : begin + SLICE]
            async with redis.pipeline(transaction=False) as pipeline:
                for key in part:
                    pipeline.memory_usage(key, samples=0)
                for key, size in zip(part, await pipeline.execute(), strict=True):
                    names = key.decode().removeprefix(f"{app}:").split(":")
                    kind = names[1] if names[0].startswith("{") else names[0]
                    count, total = found[kind]
                    found[kind] = count + 1, total + size
        memory = await redis.info("memory")
        found["all"] = len(keys), memory["used_memory"] - memory["used_memory_startup"]
    return dict(found)


async def measure(case: Case, events: int, console: Console) -> None:
    """Run one case and print its table."""
    load = make_load(events, traits=case.traits)
    customers = len({event.key for event in load})
    weighed: dict[str, tuple[int, int]] = {}

    async def look(url: str, app: str) -> None:
        weighed.update(await weigh(url, app))

    async with make_broker("embedded") as broker:
        await measure_segue(broker, case, load, Reference(case, load), look=look)
    table = Table(title=f"{case.name}: {customers:,} customers, {events:,} events")
    for name in ("", "keys", "bytes a customer"):
        table.add_column(name, justify="right" if table.columns else "left", no_wrap=True)
    whole_keys, whole = weighed.pop("all")
    for kind, label in KINDS.items():
        count, size = weighed.pop(kind, (0, 0))
        table.add_row(label, f"{count:,}", f"{size / customers:,.0f}")
    table.add_row(REST, f"{sum(count for count, _ in weighed.values()):,}", f"{_bytes(weighed) / customers:,.0f}")
    table.add_section()
    table.add_row("what the server takes for all of it", f"{whole_keys:,}", f"{whole / customers:,.0f}")
    console.print(table)


def _bytes(weighed: dict[str, tuple[int, int]]) -> int:
    return sum(size for _, size in weighed.values())


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="What a customer takes in Redis.")
    parser.add_argument("--rules", choices=(*CASES, "all"), default="all")
    parser.add_argument("--events", type=int, default=EVENTS)
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    for case in CASES.values() if given.rules == "all" else [CASES[given.rules]]:
        asyncio.run(measure(case, given.events, console))


if __name__ == "__main__":
    main()
