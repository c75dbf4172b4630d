"""Events a second and CPU an event, for segue and for a plain Faust agent that does the same.

    python -m benchmarks.throughput [--broker embedded|kafka] [--rules w1|standard|all] [--runs 3] [--events 200000]

Both work through the same backlog on the same broker, in turn; README.md says what each figure means.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.load import make_load
from benchmarks.services import make_broker
from benchmarks.subjects import measure_plain, measure_segue
from benchmarks.verdict import Reference, check_same_work, plain_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.cases import Case
    from benchmarks.services import Broker, BrokerKind
    from benchmarks.subjects import Figures

RUNS = 3
EVENTS = 200_000
PLAIN_EVENTS = 20_000
NAMES = {"embedded": "embedded broker", "kafka": "Apache Kafka broker"}
COLUMNS = ("", "events/s min", "median", "max", "CPU min", "median", "max", "broker", "store")
WIDTH = 112
"""Where the output is no terminal."""


class Contest:
    """One case on one broker: segue and the plain agent, in turn."""

    def __init__(self, broker: Broker, case: Case, events: int, plain_events: int) -> None:
        """Make the load, and what should come of it."""
        self.case = case
        self._broker = broker
        self._load = make_load(events, traits=case.traits)
        self._plain_load = self._load[:plain_events]
        self._reference = Reference(case, self._load)
        check_same_work(case, self._load, self._reference)
        self._plain_wanted = plain_counts(case, self._plain_load)[0]
        self.plain: list[Figures] = []
        self.segue: list[Figures] = []

    async def round(self, profile: Path | None) -> None:
        """Measure each once."""
        self.plain.append(await measure_plain(self._broker, self.case, self._plain_load, self._plain_wanted))
        self.segue.append(await measure_segue(self._broker, self.case, self._load, self._reference, profile))

    def rows(self) -> list[list[str]]:
        """Return the table's rows."""
        store = f"{median(run.store_us for run in self.segue):.1f}"
        return [
            [f"{self.case.name}, plain Faust", *_cells(self.plain), "–"],
            [f"{self.case.name}, segue", *_cells(self.segue), store],
        ]

    def ratios(self) -> str:
        """Return how the two compare, by medians."""
        faster = median(run.events_per_s for run in self.segue) / median(run.events_per_s for run in self.plain)
        cheaper = median(run.worker_us for run in self.plain) / median(run.worker_us for run in self.segue)
        return f"{self.case.name}: segue does {faster:.1f} × the events/s, with 1/{cheaper:.1f} of the CPU an event"


def _cells(runs: Sequence[Figures]) -> list[str]:
    speeds, costs = [run.events_per_s for run in runs], [run.worker_us for run in runs]
    return [
        *(f"{of(speeds):,.0f}" for of in (min, median, max)),
        *(f"{of(costs):,.1f}" for of in (min, median, max)),
        f"{median(run.broker_us for run in runs):.1f}",
    ]


async def contests(given: argparse.Namespace, console: Console) -> list[Contest]:
    """Run everything, a round of all cases after the other."""
    async with make_broker(given.broker) as broker:
        cases = [CASES[given.rules]] if given.rules != "all" else list(CASES.values())
        console.print(f"making {given.events:,} events, and what should come of them", style="dim")
        found = [Contest(broker, case, given.events, min(given.plain_events, given.events)) for case in cases]
        for run in range(given.runs):
            for contest in found:
                console.print(f"run {run + 1} of {given.runs}: {contest.case.name}", style="dim")
                await contest.round(given.profile)
        return found


def show(found: Sequence[Contest], broker: BrokerKind, console: Console) -> None:
    """Print the table."""
    table = Table(title=f"Catching up with a backlog, on the {NAMES[broker]}")
    for column in COLUMNS:
        table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
    for contest in found:
        plain, segue = contest.rows()
        table.add_row(*plain)
        table.add_row(*segue, end_section=True)
    console.print(table)
    for contest in found:
        console.print(contest.ratios(), highlight=False)
    console.print(
        f"CPU in µs an event, of the program, then of broker and store; {os.cpu_count()} cores for all", highlight=False
    )


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="Events/s and CPU an event, segue beside a plain Faust agent.")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--rules", choices=(*CASES, "all"), default="all")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--events", type=int, default=EVENTS, help="for segue")
    parser.add_argument("--plain-events", type=int, default=PLAIN_EVENTS, help="the first so many, for plain Faust")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="cProfile of the segue worker; its CPU is no figure then"
    )
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    show(asyncio.run(contests(given, console)), given.broker, console)


if __name__ == "__main__":
    main()
