"""What grows with segments and customers, and what does not.

    python -m benchmarks.scale [--only segments|customers|bytes] [--runs 3] [--events 60000]

README.md says what each figure means and what is generated.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.cases import STANDARD
from benchmarks.load import make_load
from benchmarks.scale_bytes import measure_bytes
from benchmarks.scale_population import END_MS, fill, given, histories, settled
from benchmarks.scale_rules import write_rules
from benchmarks.scale_runs import Hired, site
from benchmarks.services import make_broker
from rules.dates import DAY_MS
from rules.load import load_ruleset
from state.engine import Engine
from state.form import engine_form
from state.redis import RedisStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.load import LoadEvent
    from benchmarks.scale_population import History
    from benchmarks.scale_runs import Pass, Site, Takeover
    from benchmarks.services import Broker

SEGMENTS = (10, 100, 1_000, 5_000)
CUSTOMERS = (10_000, 100_000, 1_000_000)
RUNS = 3
EVENTS = 60_000
HISTORIES = 5_000
SPAN_MS = 30 * DAY_MS
MOST_APART = 1.05
SECTIONS = ("segments", "customers", "bytes")
WIDTH = 132
"""Where the output is no terminal."""
RATE_COLUMNS = ("events/s min", "median", "max", "CPU min", "median", "max", "broker", "store")


async def measure_segments(broker: Broker, counts: Sequence[int], runs: int, events: int, console: Console) -> None:
    """Let the same events meet rulesets of more and more segments, each time an app of its own."""
    load = make_load(events)
    found: dict[int, list[Pass]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as folder:
        for run in range(runs):
            for count in counts:
                console.print(f"segments, run {run + 1} of {runs}: {count:,}", style="dim")
                rules = Path(folder) / f"{count}.json"
                write_rules(rules, count)
                async with site(broker, rules) as where, Hired(where) as worker:
                    found[count].append(await worker.work(load))
    _check_changes(found)
    table = _table("An event touches the same features, in rulesets of so many segments", "segments")
    for count, passes in found.items():
        table.add_row(f"{count:,}", *_rates(passes))
    console.print(table)
    least = min(counts)
    for count in counts:
        cost = [_paired(one, other) for one, other in zip(found[count], found[least], strict=True)]
        console.print(f"{count:,} segments: {_spread(cost)} × the worker's CPU of {least}", highlight=False)


def _check_changes(found: dict[int, list[Pass]]) -> None:
    """Raise where runs made other numbers of changes: then they did not do the same work.

    The events are of last year: a partition that is through sooner than the slowest one has time for a tick, and what
    was due since then fires. That made up to 1.4 % more changes.
    """
    changes = {one.changes for passes in found.values() for one in passes}
    if max(changes) > MOST_APART * min(changes):
        message = f"the same events made different numbers of changes: {sorted(changes)}"
        raise AssertionError(message)


def _paired(one: Pass, other: Pass) -> float:
    return one.worker_us / other.worker_us


async def measure_customers(broker: Broker, counts: Sequence[int], runs: int, events: int, console: Console) -> None:
    """Let a worker that knows nobody meet customers of a full store, and then the same ones again."""
    rules = STANDARD.rules
    engine = Engine(load_ruleset(rules))
    console.print(f"making {HISTORIES:,} histories of 10 events", style="dim")
    made = histories(engine, HISTORIES, SPAN_MS)
    cold: dict[int, list[Pass]] = {count: [] for count in counts}
    warm: dict[int, list[Pass]] = {count: [] for count in counts}
    takeovers: dict[int, list[Takeover]] = {count: [] for count in counts}
    async with contextlib.AsyncExitStack() as stack:
        sites: dict[int, Site] = {}
        for count in counts:
            console.print(f"{count:,} customers into a store", style="dim")
            sites[count] = await stack.enter_async_context(site(broker, rules))
            await _populate(sites[count], engine, count, made)
            async with Hired(sites[count]) as first:  # it leaves behind what a take-over has to look at
                await first.work(_visits(count, 1_000, runs))
        for run in range(runs):
            for count in counts:
                console.print(f"customers, run {run + 1} of {runs}: {count:,}", style="dim")
                async with Hired(sites[count]) as worker:
                    takeovers[count].append(worker.takeover)
                    cold[count].append(await worker.work(_visits(count, events, 2 * run)))
                    warm[count].append(await worker.work(_visits(count, events, 2 * run + 1)))
    table = _table(
        "An event of a customer who is not in the worker's cache, and of one who is", "customers", "in cache"
    )
    for count in counts:
        for name, passes in (("cold", cold[count]), ("warm", warm[count])):
            share = median(one.hit_share for one in passes)
            table.add_row(f"{count:,}, {name}", f"{share:.0%}", *_rates(passes), end_section=name == "warm")
    console.print(table)
    for count in counts:
        speeds = [one.events_per_s / other.events_per_s for one, other in zip(cold[count], warm[count], strict=True)]
        times = [one.ready_ms for one in takeovers[count]]
        console.print(
            f"{count:,} customers: cold {_spread(speeds)} × the warm rate; "
            f"a take-over of 8 partitions {_spread(times, '.0f')} ms",
            highlight=False,
        )


async def _populate(where: Site, engine: Engine, count: int, made: Sequence[History]) -> None:
    store = RedisStore(where.valkey.url, where.app)
    await store.start()
    try:
        await fill(store, engine, count, made)
    finally:
        await store.close()
    await settled(where.valkey.url)


def _visits(customers: int, events: int, number: int) -> list[LoadEvent]:
    """Return one event each of customers all over the store; the same ones for any number, later and other events.

    They are 1 ms apart, so that next to no timers fall due meanwhile.
    """
    visited = min(events, customers)
    every = customers // visited
    times = [END_MS + number * 10 * EVENTS + index for index in range(visited)]
    names = [f"u{index * every}" for index in range(visited)]
    return list(given(iter(make_load(visited, seed=100 + number, traits=True)), names, times))


def _table(title: str, *first: str) -> Table:
    table = Table(title=title)
    for column in (*first, *RATE_COLUMNS):
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _rates(passes: Sequence[Pass]) -> list[str]:
    speeds, costs = [one.events_per_s for one in passes], [one.worker_us for one in passes]
    return [
        *(f"{of(speeds):,.0f}" for of in (min, median, max)),
        *(f"{of(costs):,.1f}" for of in (min, median, max)),
        f"{median(one.broker_us for one in passes):.1f}",
        f"{median(one.store_us for one in passes):.1f}",
    ]


def _spread(values: Sequence[float], form: str = ".2f") -> str:
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


async def measure(given_: argparse.Namespace, console: Console) -> None:
    """Run the sections asked for."""
    sections = SECTIONS if given_.only is None else (given_.only,)
    if "bytes" in sections:
        await measure_bytes(console)
    for section, run, counts in (
        ("segments", measure_segments, given_.segments),
        ("customers", measure_customers, given_.customers),
    ):
        if section in sections:
            async with make_broker(given_.broker) as broker:
                await run(broker, counts, given_.runs, given_.events, console)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="What grows with segments and customers, and what does not.")
    parser.add_argument("--only", choices=SECTIONS)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--events", type=int, default=EVENTS, help="in a pass")
    parser.add_argument("--segments", type=int, nargs="+", default=SEGMENTS)
    parser.add_argument("--customers", type=int, nargs="+", default=CUSTOMERS)
    given_ = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    asyncio.run(measure(given_, console))
    console.print(f"CPU in µs an event, of the worker ({engine_form()}), then of broker and store", highlight=False)


if __name__ == "__main__":
    main()
