"""From an event to its change: segue at some rates, plain Faust at one it can bear, and broker and reader alone."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.latency_jobs import Steady

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.latency_site import Program, Seen, Site

RATES = (1_000, 5_000)
SHARE_OF_MOST = 0.7
_WARM_S = 25.0
"""A JVM compiles for so long what a new kind of load has it do, on a quarter of the machine."""

ONE_IN = 5
"""One event of so many makes a change."""

BACKLOG = 150_000
_FROM = 0.3
"""How much of the backlog is passed over: the sender is at work meanwhile."""


class Lateness(NamedTuple):
    """p50, p99 and the longest, in ms."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Lateness:
        """Return those of some times."""
        ordered = sorted(second * 1000 for second in seconds)
        return cls(*(ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in (0.5, 0.99, 1.0)))


class Case(NamedTuple):
    """One program at one rate, in one round."""

    rate: float
    acknowledged: Lateness
    due: Lateness
    client_p99_ms: float
    parts: dict[str, float]


class Rounds:
    """What all rounds showed, by the name of a case."""

    def __init__(self, seconds: float) -> None:
        """Measure each case for so long."""
        self._seconds = seconds
        self.cases: dict[str, list[Case]] = defaultdict(list)
        self.most: list[float] = []

    async def add(self, site: Site, number: int, *, plain: bool) -> None:
        """Run each program once, one after the other; `number` is the round's. In the first one each warms up."""
        async with site.nobody(f"floor-{number}.") as program:
            if number == 1:
                await _warm_up(site, program)
            for rate in RATES:
                await self._measure(site, program, f"no program, {rate:,}/s", rate)
        if plain:
            async with site.plain(f"plain-{number}.") as program:
                await site.warm(program)
                if number == 1:
                    await _warm_up(site, program)
                await self._measure(site, program, f"plain Faust, {RATES[0]:,}/s", RATES[0])
        async with site.segue("w1.yaml", f"segue-{number}.") as program:
            await site.warm(program)
            if number == 1:
                await _warm_up(site, program)
            for rate in RATES:
                await self._measure(site, program, f"segue, {rate:,}/s", rate)
            most = await _most(site, program)
            self.most.append(most)
            await self._measure(site, program, f"segue, {SHARE_OF_MOST:.0%} of its most", SHARE_OF_MOST * most)

    async def _measure(self, site: Site, program: Program, name: str, rate: float) -> None:
        run = f"r{len(self.cases[name])}x{rate:.0f}"
        load = Steady(run, int(rate * self._seconds), rate, ONE_IN)
        seen = await site.watch(program, load, f'"{run}-', -(-load.count // ONE_IN))
        self.cases[name].append(_case(rate, seen))


async def _warm_up(site: Site, program: Program) -> None:
    """Let the broker compile what this program has it do."""
    load = Steady("warm", int(_WARM_S * RATES[0]), RATES[0], ONE_IN)
    await site.watch(program, load, '"warm-', load.count // ONE_IN)


def _case(rate: float, seen: Seen) -> Case:
    sent = seen.sent
    return Case(
        rate,
        Lateness.of([row.seen_s - sent.acknowledged[row.name] for row in seen.rows]),
        Lateness.of([row.seen_s - sent.due[row.name] for row in seen.rows]),
        Lateness.of(sent.late or [0.0]).p99,
        seen.parts,
    )


async def _most(site: Site, program: Program) -> float:
    """Return how many events a second the worker catches up with."""
    seen = await site.watch(program, Steady("most", BACKLOG, 0.0, ONE_IN), '"most-', BACKLOG // ONE_IN)
    times = sorted(row.seen_s for row in seen.rows)
    first = int(len(times) * _FROM)
    return ONE_IN * (len(times) - first) / (times[-1] - times[first])


def spread(values: Sequence[float]) -> str:
    """Return the median, with minimum and maximum where there is more than one."""
    middle = f"{median(values):.1f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.1f}–{max(values):.1f})"
