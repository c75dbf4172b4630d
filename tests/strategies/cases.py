"""Whole cases: definitions, records and settings, and a failing one as something a person can run."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.oracle import Record, Result, expected_live, expected_replay
from tests.oracle.replay import DAY_MS
from tests.strategies.crowded import crowd_of_events, crowded_definitions, crowded_history
from tests.strategies.definitions import Maker
from tests.strategies.histories import LENGTHS, Clocks, make_history
from tests.strategies.models import Snapshots, make_snapshots
from tests.strategies.overtaken import overtaken_definitions, overtaken_history
from tests.strategies.pools import Dice, HypothesisDice, SeededDice, often, one
from tests.strategies.show import show

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROPERTY_CASES = int(os.environ.get("SEGUE_PROPERTY_CASES", "2500"))


def property_settings(share: float = 1.0) -> settings:
    """Return hypothesis settings for a property test that takes this share of SEGUE_PROPERTY_CASES."""
    return settings(
        max_examples=max(1, round(PROPERTY_CASES * share)),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


@dataclass(frozen=True, repr=False)
class Case:
    """One case; `live` says by which rules the records are read."""

    definitions: Mapping[str, Any]
    records: Sequence[Record]
    live: bool = False
    until_ms: int | None = None
    max_late_ms: int = DAY_MS
    grace_ms: int = 1000
    clock_skew_ms: int = 100
    max_future_ms: int = 60_000
    snapshots: Snapshots = field(default_factory=list)

    def expected(self) -> Result:
        """Return what the oracle says of it."""
        if not self.live:
            return expected_replay(
                self.definitions,
                self.records,
                until_ms=self.until_ms,
                max_late_ms=self.max_late_ms,
                snapshots=self.snapshots,
            )
        return expected_live(
            self.definitions,
            self.records,
            until_ms=self.until_ms,
            grace_ms=self.grace_ms,
            clock_skew_ms=self.clock_skew_ms,
            max_future_ms=self.max_future_ms,
            max_late_ms=self.max_late_ms,
            snapshots=self.snapshots,
        )

    def __repr__(self) -> str:
        """Return what a person can run to see it again."""
        return show(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Tell hypothesis how to print a failing case."""
        printer.text(show(self))


def make_case(dice: Dice, *, live: bool, models: bool = False, lengths: Sequence[int] = LENGTHS) -> Case:
    """Make a case for `segue replay` of a file, or (live) for a worker, of one of these many records."""
    tree = Maker(dice, models=models).tree()
    clocks = Clocks(one(dice, (1000, 0, 3, 5000)), one(dice, (100, 0, 1))) if live else Clocks()
    records = make_history(dice, tree, clocks if live else None, lengths)
    return Case(
        tree,
        records,
        live=live,
        until_ms=_until(dice, records),
        max_late_ms=one(dice, MAX_LATES),
        grace_ms=clocks.grace_ms,
        clock_skew_ms=clocks.clock_skew_ms,
        max_future_ms=one(dice, (60_000, 2000, 0)) if live else 60_000,
        snapshots=make_snapshots(dice, tree, records) if models else [],
    )


def sample(seed: int, *, live: bool, models: bool = False) -> Case:
    """Return the case of a seed: the same one on every machine."""
    return make_case(SeededDice(seed), live=live, models=models)


def sample_long(seed: int, *, live: bool) -> Case:
    """Return the case of a seed in which much comes together; many times as slow as the others."""
    return make_case(SeededDice(seed), live=live, lengths=(60, 90, 90, 300))


def sample_crowded(seed: int, *, live: bool) -> Case:
    """Return the case of a seed in which windows hold more than 256 values."""
    dice = SeededDice(seed)
    tree = crowded_definitions(dice)
    records = crowded_history(dice, tree)
    snapshots = make_snapshots(dice, tree, records)
    until_ms, grace_ms = _until(dice, records), one(dice, (1000, 0, 3))
    return Case(tree, records, live=live, until_ms=until_ms, grace_ms=grace_ms, snapshots=snapshots)


def sample_crowd(seed: int, *, live: bool) -> Case:
    """Return the case of a seed in which a model counts more than 256 events in a window; as slow as the long ones."""
    tree, records = crowd_of_events(SeededDice(seed))
    until_ms = max(record.broker_ms for record in records) + 3000
    return Case(tree, records, live=live, until_ms=until_ms)


def sample_overtaken(seed: int, *, live: bool) -> Case:
    """Return the case of a seed in which a model's timers are ahead of what comes late."""
    dice = SeededDice(seed)
    tree = overtaken_definitions(dice)
    records = overtaken_history(dice)
    snapshots = make_snapshots(dice, tree, records)
    return Case(tree, records, live=live, until_ms=_until(dice, records), grace_ms=0, snapshots=snapshots)


@st.composite
def replay_cases(draw: Callable[[st.SearchStrategy[int]], int], *, models: bool = False) -> Case:
    """Draw a case for `segue replay` of a file."""
    return make_case(HypothesisDice(draw), live=False, models=models)


@st.composite
def live_cases(draw: Callable[[st.SearchStrategy[int]], int], *, models: bool = False) -> Case:
    """Draw a case for a worker, or `segue replay --live`."""
    return make_case(HypothesisDice(draw), live=True, models=models)


MAX_LATES = (DAY_MS, DAY_MS, DAY_MS, 5000, 1000, 1)
STEPS_MS = (3_600_001, 0, 1, 1000, 2000, 5000, 60_000, 172_800_000, -1, -1000)


def _until(dice: Dice, records: Sequence[Record]) -> int | None:
    return max(record.broker_ms for record in records) + one(dice, STEPS_MS) if often(dice, 60) else None
