"""How long from an event to its change, and how late what time alone changes is; README.md says what each figure means.

python -m benchmarks.latency [--broker kafka|embedded] [--rounds 3] [--seconds 10] [--only events|timers]
"""

from __future__ import annotations

import argparse
import asyncio
import os
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks.latency_events import Rounds, spread
from benchmarks.latency_site import open_site
from benchmarks.latency_timers import TimerRounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.latency_events import Lateness

NAMES = {"embedded": "embedded broker", "kafka": "Apache Kafka broker"}
WIDTH = 150
"""Where the output is no terminal."""

PARTS = ("worker", "broker", "store")


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description="From an event to its change, and how late time-driven exits are.")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each rate is held")
    parser.add_argument("--only", choices=("events", "timers"))
    parser.add_argument("--no-plain", action="store_true", help="leave plain Faust out")
    given = parser.parse_args()
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    asyncio.run(_run(given, console))


async def _run(given: argparse.Namespace, console: Console) -> None:
    events, timers = Rounds(given.seconds), TimerRounds()
    async with open_site(given.broker) as site:
        for number in range(1, given.rounds + 1):
            console.print(f"round {number} of {given.rounds}, load {os.getloadavg()[0]:.1f}", style="dim")
            if given.only != "timers":
                await events.add(site, number, plain=not given.no_plain)
            if given.only != "events":
                await timers.add(site, number)
    if events.cases:
        _show_events(events, NAMES[given.broker], console)
    if timers.cases:
        _show_timers(timers, NAMES[given.broker], console)


def _show_events(rounds: Rounds, broker: str, console: Console) -> None:
    table = _table(
        f"From an event to its change, ms, on the {broker}",
        ("since acknowledged: p50", "p99", "most", "since due: p50", "p99", "sender p99"),
    )
    for name, cases in rounds.cases.items():
        table.add_row(
            name,
            *_cells([case.acknowledged for case in cases]),
            *_cells([case.due for case in cases])[:2],
            spread([case.client_p99_ms for case in cases]),
            *_parts([case.parts for case in cases]),
        )
    console.print(table)
    console.print(f"segue's most: {spread(rounds.most)} events/s", highlight=False)


def _show_timers(rounds: TimerRounds, broker: str, console: Console) -> None:
    table = _table(
        f"Time-driven exits, ms after due + grace, on the {broker}", ("p50", "p99", "most", "exits a second")
    )
    for name, cases in rounds.cases.items():
        table.add_row(
            name,
            *_cells([case.late for case in cases]),
            spread([case.drained for case in cases]),
            *_parts([case.parts for case in cases]),
        )
    console.print(table)


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title)
    for column in ("", *columns, *PARTS):
        table.add_column(column, justify="right" if table.columns else "left")
    return table


def _cells(found: Sequence[Lateness]) -> list[str]:
    return [spread([getattr(one, name) for one in found]) for name in ("p50", "p99", "most")]


def _parts(found: Sequence[dict[str, float]]) -> list[str]:
    return [f"{median(parts[name] for parts in found):.0%}" if name in found[0] else "" for name in PARTS]


if __name__ == "__main__":
    main()
