"""Whole cases: definitions, records and settings, and a failing one as something a person can run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.oracle import Record, Result, expected_live, expected_replay
from tests.oracle.replay import DAY_MS
from tests.strategies.definitions import definitions
from tests.strategies.histories import histories
from tests.strategies.pools import Draw, often, one
from tests.strategies.show import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def expected(self) -> Result:
        """Return what the oracle says of it."""
        if not self.live:
            return expected_replay(self.definitions, self.records, until_ms=self.until_ms, max_late_ms=self.max_late_ms)
        return expected_live(
            self.definitions,
            self.records,
            until_ms=self.until_ms,
            grace_ms=self.grace_ms,
            clock_skew_ms=self.clock_skew_ms,
            max_future_ms=self.max_future_ms,
            max_late_ms=self.max_late_ms,
        )

    def __repr__(self) -> str:
        """Return what a person can run to see it again."""
        return show(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Tell hypothesis how to print a failing case."""
        printer.text(show(self))


@st.composite
def replay_cases(draw: Draw, *, models: bool = False) -> Case:
    """Draw a case for `segue replay` of a file."""
    tree = draw(definitions(models=models))
    records = draw(histories(tree))
    return Case(tree, records, until_ms=_until(draw, records), max_late_ms=one(draw, MAX_LATES))


@st.composite
def live_cases(draw: Draw, *, models: bool = False) -> Case:
    """Draw a case for a worker, or `segue replay --live`."""
    tree = draw(definitions(models=models))
    grace = one(draw, (1000, 0, 3, 5000))
    records = draw(histories(tree, live=True, grace_ms=grace))
    return Case(
        tree,
        records,
        live=True,
        until_ms=_until(draw, records),
        max_late_ms=one(draw, MAX_LATES),
        grace_ms=grace,
        clock_skew_ms=one(draw, (100, 0, 1)),
        max_future_ms=one(draw, (60_000, 2000, 0)),
    )


MAX_LATES = (DAY_MS, DAY_MS, DAY_MS, 5000, 1000, 1)
STEPS_MS = (3_600_001, 0, 1, 1000, 2000, 5000, 60_000, 172_800_000, -1, -1000)


def _until(draw: Draw, records: Sequence[Record]) -> int | None:
    return max(one_record.broker_ms for one_record in records) + one(draw, STEPS_MS) if often(draw, 60) else None
