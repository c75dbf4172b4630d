"""Events a second and CPU an event, for segue and for its peers on the same work.

    python -m benchmarks.throughput [--broker kafka|embedded] [--rules w1|standard|all] [--only NAME] [--runs 3]

All work through a backlog on the same broker, in turn; README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.contest import EVENTS, PLAIN, PLAIN_EVENTS, ROWS, W1_EVENTS, Contest
from benchmarks.services import make_broker
from benchmarks.subjects import Failed
from benchmarks.verdict import WrongResult
from rules.errors import SegueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contest import Row
    from benchmarks.services import BrokerKind

RUNS = 3
NAMES = {"embedded": "embedded broker", "kafka": "Apache Kafka broker"}
COLUMNS = ("", "events/s", "×", "CPU", "÷", "broker", "store")
WIDTH = 120
"""Where the output is no terminal."""


async def contests(given: argparse.Namespace, console: Console) -> list[Contest]:
    """Run everything, a round of all rows after the other."""
    cases = [CASES[given.rules]] if given.rules != "all" else list(CASES.values())
    async with make_broker(given.broker, patient=True) as broker:
        console.print("making the events, and what should come of them", style="dim")
        found = [Contest(broker, case, given) for case in cases]
        for run in range(given.runs):
            for contest in found:
                for row in contest.rows:
                    if row.run is not None:
                        figures = await row.run()
                        row.figures.append(figures)
                        said = f"{figures.events_per_s:,.0f} events/s, CPU {figures.worker_us:.1f}"
                        console.print(
                            f"run {run + 1} of {given.runs}: {contest.case.name}, {row.name}: {said}", style="dim"
                        )
        return found


def show(found: Sequence[Contest], broker: BrokerKind, console: Console) -> None:
    """Print a table for each case, and what was left out."""
    for contest in found:
        table = Table(box=SIMPLE_HEAD, title=f"{contest.case.name}: catching up with a backlog, on the {NAMES[broker]}")
        for column in COLUMNS:
            table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
        plain = next((row for row in contest.rows if row.name == PLAIN and row.figures), None)
        for row in contest.rows:
            table.add_row(row.name, *(cells(row, plain) if row.figures else ["missing"]))
        console.print(table)
        for row in contest.rows:
            if row.missing is not None:
                console.print(f"{row.name} is missing: {row.missing}", highlight=False, markup=False)
    console.print(
        "Medians (least – most). × is events/s over plain Faust's. CPU: µs an event, of the program, then of broker "
        f"and store; ÷ is plain Faust's over it. {os.cpu_count()} cores for all, load {os.getloadavg()[1]:.1f} in the "
        "last 5 minutes.",
        highlight=False,
    )


def cells(row: Row, plain: Row | None) -> list[str]:
    """Return a row's figures as text: beside plain Faust's where they did the same."""
    speeds, costs = [run.events_per_s for run in row.figures], [run.worker_us for run in row.figures]
    faster = cheaper = "–"
    if plain is not None and row.comparable:
        faster = f"{median(speeds) / median(run.events_per_s for run in plain.figures):.1f}"
        cheaper = f"{median(run.worker_us for run in plain.figures) / median(costs):.1f}"
    store = f"{median(run.store_us for run in row.figures):.1f}" if row.has_store else "–"
    return [
        f"{median(speeds):,.0f} ({min(speeds):,.0f} – {max(speeds):,.0f})",
        faster,
        f"{median(costs):.1f} ({min(costs):.1f} – {max(costs):.1f})",
        cheaper,
        f"{median(run.broker_us for run in row.figures):.1f}",
        store,
    ]


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Events/s and CPU an event, segue beside its peers.")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="kafka")
    parser.add_argument("--rules", choices=(*CASES, "all"), default="all")
    parser.add_argument("--only", choices=ROWS, action="append", help="may be given more than once")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--events", type=int, help=f"for all but plain Faust; else {W1_EVENTS:,} and {EVENTS:,}")
    parser.add_argument("--plain-events", type=int, default=PLAIN_EVENTS, help="the first so many, for plain Faust")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="cProfile of a segue worker; no figure is one then"
    )
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.ERROR)  # that a new topic has no leader yet is no news
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    try:
        show(asyncio.run(contests(given, console)), given.broker, console)
    except (Failed, SegueError, WrongResult) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
