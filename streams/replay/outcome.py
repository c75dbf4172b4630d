"""What a replay did: the numbers of its summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rules.dates import format_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MOVES = ("entered", "exited")


@dataclass(slots=True)
class Outcome:
    """Numbers of one replay.

    `events` are all records of the file (ticks of a log are none):
    `events == applied + duplicates + after_until + sum(rejected.values())`. `create_time` counts records whose time is
    their producer's, `changes` by (segment name, entered or exited); `caps` are the documented bounds that were
    reached, by name. `samples` were learned, `snapshots` of models made of them, and `drifts` noticed.
    `horizon_ms` is None where nothing was applied and none was asked for.
    """

    events: int = 0
    applied: int = 0
    duplicates: int = 0
    after_until: int = 0
    ticks: int = 0
    create_time: int = 0
    customers: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
    caps: Counter[str] = field(default_factory=Counter)
    horizon_ms: int | None = None
    seconds: float = 0.0
    samples: int = 0
    snapshots: int = 0
    drifts: int = 0

    def summary(self) -> Iterator[str]:
        """Yield the summary's lines."""
        rejected = sum(self.rejected.values())
        yield f"events      {self.events:>10,}"
        yield f"applied     {self.applied:>10,}"
        yield f"rejected    {rejected:>10,}{_by_name(self.rejected)}"
        yield f"duplicates  {self.duplicates:>10,}"
        if self.after_until:
            yield f"after until {self.after_until:>10,}  (later than the horizon, not applied)"
        if self.ticks:
            yield f"ticks       {self.ticks:>10,}"
        yield f"customers   {self.customers:>10,}"
        yield f"changes     {sum(self.changes.values()):>10,}"
        yield from self._segments()
        if self.samples:
            drifts = f", {self.drifts:,} drifts" if self.drifts else ""
            yield f"samples     {self.samples:>10,}  learned; {self.snapshots:,} versions of models{drifts}"
        if self.create_time:
            yield f"{self.create_time:,} records have their producers' times; a worker bounds those by its own clock"
        if self.caps:
            yield f"bounds reached{_by_name(self.caps)}: docs/rules.md says what is estimated beyond them"
        horizon = "none: no event was applied" if self.horizon_ms is None else format_ms(self.horizon_ms)
        yield f"horizon     {horizon}"
        yield f"seconds     {self.seconds:>10.1f}  {self.events / max(self.seconds, 1e-9):,.0f} events/s"

    def _segments(self) -> Iterator[str]:
        names = sorted({name for name, _ in self.changes})
        width = max(map(len, names), default=0)
        for name in names:
            entered, exited = (self.changes[name, move] for move in _MOVES)
            yield f"  {name:<{width}}  entered {entered:>8,}  exited {exited:>8,}  in it now {entered - exited:>8,}"


def _by_name(counts: Counter[str]) -> str:
    return f"  ({_listed(sorted(counts.items(), key=lambda item: (-item[1], item[0])))})" if counts else ""


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
