"""How late time-driven exits are: after the due instant plus grace, until the change is readable."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.latency_events import Lateness
from benchmarks.latency_jobs import Steady, Timers
from benchmarks.verdict import WrongResult
from rules.dates import parse_timestamp
from streams.settings import Settings

if TYPE_CHECKING:
    from benchmarks.latency_site import Program, Seen, Site

WITHIN_S = 60.0
"""What latency.yaml says."""

BESIDE = 1_000
SPREAD_S = 10.0
A_SECOND = 500
BURST = 50_000
_LEAD_S = 3.0
_LEAD_S_A_CUSTOMER = 1 / 5_000
"""How long the worker may take to know them, before the first falls due."""


class Timed(NamedTuple):
    """One case in one round: how late exits were, how many a second came, and how long the first and the last took."""

    late: Lateness
    drained: float
    parts: dict[str, float]


class TimerRounds:
    """What all rounds showed, by the name of a case."""

    def __init__(self) -> None:
        """Begin with none."""
        self.cases: dict[str, list[Timed]] = defaultdict(list)

    async def add(self, site: Site, number: int) -> None:
        """Run each case once; `number` is the round's."""
        async with site.segue("latency.yaml", f"timers-{number}.") as program:
            await site.warm(program)
            count = int(A_SECOND * SPREAD_S)
            await self._measure(site, program, f"{A_SECOND:,} a second, else silence", count, SPREAD_S)
            beside = f"{A_SECOND:,} a second, beside {BESIDE:,} events/s"
            await self._measure(site, program, beside, count, SPREAD_S, beside=True)
            await self._measure(site, program, f"{BURST:,} within one second", BURST, 1.0)

    async def _measure(
        self, site: Site, program: Program, name: str, count: int, spread_s: float, *, beside: bool = False
    ) -> None:
        run = f"t{sum(map(len, self.cases.values()))}"
        lead_s = _LEAD_S + count * _LEAD_S_A_CUSTOMER
        load = Timers(run, count, WITHIN_S, time.time() + lead_s, spread_s)
        events = int(BESIDE * (lead_s + spread_s + 2))
        others = Steady(f"{run}b", events, BESIDE, 0) if beside else None
        # each of them enters and exits
        seen = await site.watch(program, load, f'"{run}-', 2 * count, others)
        self.cases[name].append(_timed(seen, load.first_due_s))


def _timed(seen: Seen, first_due_s: float) -> Timed:
    entered = max(row.seen_s for row in seen.rows if row.change == "entered")
    if entered > first_due_s:
        message = f"the customers were known {entered - first_due_s:.1f} s too late: the machine is too busy for this"
        raise WrongResult(message)
    exits = [row for row in seen.rows if row.change == "exited"]
    grace_s = Settings().grace / 1000
    late = [row.seen_s - (parse_timestamp(row.at) or 0) / 1000 - grace_s for row in exits]
    times = sorted(row.seen_s for row in exits)
    return Timed(Lateness.of(late), len(exits) / (times[-1] - times[0]), seen.parts)
