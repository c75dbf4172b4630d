"""A file of events in memory: `segue replay --in-memory`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from state.engine import Engine
from streams.changes import size_name
from streams.clocks import NEVER_MS, StreamClock
from streams.collector import calm_collector
from streams.replay.changes_file import ChangesFile
from streams.replay.lines import LinesFile
from streams.replay.measure import measure
from streams.replay.memory import MemoryReplay
from streams.replay.outcome import Outcome
from streams.replay.standings import Standings

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from state.change import Change
    from streams.replay.plan import Plan, Report
    from streams.replay.study import Study

REPORT_EVERY = 2048
"""Records between two reports of progress."""


def replay_in_memory(plan: Plan, report: Report, events: Path) -> Outcome:
    """Replay the file without services; raises `ReplayError`."""
    began = time.perf_counter()
    with calm_collector(), LinesFile(events) as lines, ChangesFile(plan.changes, plan.app_id, events) as out:
        run = _Run(plan, report, out, lag_ms=_lag_ms(plan, events))
        report.begin("replaying", lines.size_bytes)
        with contextlib.closing(run):
            for number, line in enumerate(lines):
                run.take(line)
                if number % REPORT_EVERY == 0:
                    report.progress(lines.position_bytes)
            report.progress(lines.size_bytes)
            run.finish()
    return run.outcome(time.perf_counter() - began)


def study_of(plan: Plan, engine: Engine) -> Study | None:
    """Return what learns the models, None where the ruleset has none."""
    if not plan.ruleset.models:
        return None
    from streams.replay.study import Study  # noqa: PLC0415 - it imports River

    return Study(engine, snapshot_every=plan.snapshot_every, path=plan.models)


def studied(study: Study | None) -> dict[str, int]:
    """Return what an outcome says of the learning."""
    return {} if study is None else {"samples": study.samples, "snapshots": study.snapshots, "drifts": study.drifts}


def _lag_ms(plan: Plan, events: Path) -> int:
    """Return by how much events come late; only early timers have to know, and only steps and models want them."""
    if plan.step_ms is None and not plan.ruleset.models:
        return 0
    with LinesFile(events) as lines:
        return measure(lines).lag_ms


class _Run:
    def __init__(self, plan: Plan, report: Report, out: ChangesFile, lag_ms: int) -> None:
        self._report = report
        self._out = out
        self._engine = Engine(plan.ruleset, max_late_ms=plan.max_late_ms)
        self._clock = StreamClock(lag_ms=lag_ms)
        self._study = study_of(plan, self._engine)
        self._replay = MemoryReplay(
            self._engine,
            self._clock,
            until_ms=plan.until_ms,
            early=plan.step_ms is not None,
            learn=None if self._study is None else self._study.take,
        )
        self._standings = None if plan.step_ms is None else Standings(plan.step_ms)
        self._shown_ms = NEVER_MS

    def take(self, line: bytes) -> None:
        """Apply one record."""
        changes = self._replay.feed(line)
        if changes:
            self._write(changes)
        if self._standings is not None:
            self._step(self._standings)

    def finish(self) -> None:
        """Fire what is due up to the horizon, and say where things stand there."""
        self._write(list(self._replay.finish()))
        if self._study is not None:
            self._study.finish()
        if self._standings is not None and self._replay.counters.applied:
            self._show(self._standings.finish(self._replay.horizon_ms))

    def close(self) -> None:
        """Close what is still open, however the replay ended."""
        if self._study is not None:
            self._study.close()

    def outcome(self, seconds: float) -> Outcome:
        """Return the numbers of the whole replay."""
        replay, counters = self._replay, self._replay.counters
        known = replay.until_ms is not None or counters.applied
        return Outcome(
            events=counters.events + replay.after_until,
            applied=counters.applied,
            duplicates=counters.duplicates,
            after_until=replay.after_until,
            customers=counters.customers,
            rejected=counters.rejected,
            changes=counters.changes,
            caps=self._engine.caps,
            horizon_ms=replay.horizon_ms if known else None,
            seconds=seconds,
            **studied(self._study),
        )

    def _step(self, standings: Standings) -> None:
        """Where every event before the end of a step has been read: fire what was due before it, and say so."""
        newest_ms = self._replay.counters.newest_event_ms
        end_ms = standings.boundary(self._clock.certain_ms(NEVER_MS, newest_ms)) if newest_ms > NEVER_MS else NEVER_MS
        if end_ms > self._shown_ms:
            self._shown_ms = end_ms
            self._write(list(self._replay.advance(end_ms)))
            self._show(standings.until(end_ms))

    def _show(self, moments: Iterable[tuple[int, Counter[str]]]) -> None:
        events = self._replay.counters.events + self._replay.after_until
        for at_ms, sizes in moments:
            self._report.standing(at_ms, events, sizes)

    def _write(self, changes: Sequence[Change]) -> None:
        self._out.write(changes)
        if self._standings is not None:
            for change in changes:
                self._standings.add(size_name(change), change.change, change.at)
