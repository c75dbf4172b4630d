"""Reads of customers' views beside full write load: from the store, from a replica of it, and over HTTP.

    python -m benchmarks.view [--broker embedded|kafka] [--runs 3] [--seconds 5] [--events 400000]

A worker catches up with a backlog as fast as it can, and a client reads 1,000 views a second; README.md says what each
figure means.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.http_client import quantile_ms
from benchmarks.http_load import run_loads
from benchmarks.load import make_load
from benchmarks.services import make_broker
from benchmarks.view_sites import READS_A_S, Written, alone, working

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.services import BrokerKind
    from benchmarks.view_sites import Place

RUNS = 3
SECONDS = 5.0
EVENTS = 400_000
WAYS = {
    "GET, the store": {},
    "GET, a replica": {"replica": True},
    "GET, a replica first": {"replica": True, "first": True},
    "HTTP, the store": {"http": True},
    "HTTP, a replica": {"http": True, "replica": True},
    "HTTP, both first": {"http": True, "replica": True, "first": True},
}
PEERS = {"GET, nobody writes": False, "GET, a plain writer": True}
NAMES = {"embedded": "embedded broker", "kafka": "Apache Kafka broker"}
WIDTH = 140
"""Where the output is no terminal."""
PARTS = ("worker", "broker", "store", "replica", "server", "clients")


class Seen(NamedTuple):
    """What one run showed: times in ms, what part of a core each process took, and the worker's events a second."""

    p50: float
    p99: float
    longest: float
    late: float
    """How late the client itself woke, for one read of a hundred."""
    parts: dict[str, float]
    events_a_s: float
    in_mb_a_s: float
    writes_a_s: float


async def measure(place: Place, seconds: float) -> tuple[Seen, tuple[Written, Written]]:
    """Read for so long; return what was seen, and what had been written before and after."""
    before = await place.written()
    [run], parts = await run_loads([place.load], seconds, place.processes)
    after = await place.written()
    if place.events and after.events >= place.events:
        message = f"the worker was done with {place.events:,} events before the reads were: give more with --events"
        raise SystemExit(message)
    wall_s = after.at_s - before.at_s
    seen = Seen(
        run.quantile_ms(0.5),
        run.quantile_ms(0.99),
        max(run.latencies) * 1000,
        quantile_ms(run.lateness or [0.0, 0.0], 0.99),
        parts,
        (after.events - before.events) / wall_s,
        (after.in_bytes - before.in_bytes) / wall_s / 1e6,
        (after.writes - before.writes) / wall_s,
    )
    return seen, (before, after)


async def rounds(given: argparse.Namespace, console: Console) -> dict[str, list[Seen]]:
    """Run all ways, then the peers, and that so many times."""
    found: dict[str, list[Seen]] = defaultdict(list)
    console.print(f"making {given.events:,} events", style="dim")
    events = make_load(given.events, traits=True)
    async with make_broker(given.broker) as broker:
        for number in range(given.runs):
            written = None
            for name, options in WAYS.items():
                if given.only and name not in given.only:
                    continue
                console.print(f"run {number + 1} of {given.runs}: {name}", style="dim")
                async with working(broker, events, **options) as place:
                    seen, beside = await measure(place, given.seconds)
                found[name].append(seen)
                written = written or beside
            for name, writing in PEERS.items():
                if written is None or (given.only and name not in given.only):
                    continue
                async with alone(written, writing=writing) as place:
                    found[name].append((await measure(place, given.seconds))[0])
    return found


def show(found: dict[str, list[Seen]], broker: BrokerKind, console: Console) -> None:
    """Print the tables."""
    title = f"{READS_A_S:,} views a second beside full write load, on the {NAMES[broker]}; ms, medians (min-max)"
    table = Table(title=title)
    for column in ("", "p50", "p99", "longest", "client late", "events/s", "MB/s in", "writes/s"):
        table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
    for name, runs in found.items():
        cells = [_spread([getattr(run, field) for run in runs]) for field in ("p50", "p99", "longest")]
        late = f"{median(run.late for run in runs):.2f}"
        rates = [f"{median(run.events_a_s for run in runs):,.0f}", f"{median(run.in_mb_a_s for run in runs):.1f}"]
        table.add_row(name, *cells, late, *rates, f"{median(run.writes_a_s for run in runs):,.0f}")
    console.print(table)
    table = Table(title="CPU, parts of a core, medians")
    for column in ("", *PARTS):
        table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
    for name, runs in found.items():
        parts = [[run.parts[part] for run in runs if part in run.parts] for part in PARTS]
        table.add_row(name, *(f"{median(each):.0%}" if each else "" for each in parts))
    console.print(table)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Reads of views beside full write load.")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each run reads")
    parser.add_argument("--events", type=int, default=EVENTS, help="in the backlog of each run")
    parser.add_argument("--only", action="append", choices=(*WAYS, *PEERS), help="these alone")
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    show(asyncio.run(rounds(given, console)), given.broker, console)


if __name__ == "__main__":
    main()
