"""A log with the broker's times, by the live rules, in memory: what a worker should have said of it.

`segue replay --live`.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from rules.dates import MAX_MS
from rules.errors import ReplayError
from state.engine import Engine
from streams.changes import size_name
from streams.clocks import NEVER_MS, live_clock
from streams.replay.changes_file import ChangesFile
from streams.replay.dump import LogRecord, open_dump, read_dump
from streams.replay.from_file import studied, study_of
from streams.replay.memory import MemoryLog
from streams.replay.outcome import Outcome
from streams.replay.standings import Standings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from state.change import Change
    from streams.replay.plan import Plan, Report
    from streams.settings import Settings

REPORT_EVERY = 2048


def replay_dump(plan: Plan, report: Report, settings: Settings, dump: Path) -> Outcome:
    """Replay a dump; raises `ReplayError`."""
    began = time.perf_counter()
    with open_dump(dump) as lines, ChangesFile(plan.changes, plan.app_id, dump) as out:
        run = LogRun(plan, report, settings, out)
        report.begin("replaying", lines.size_bytes)
        with contextlib.closing(run):
            for number, record in enumerate(read_dump(lines)):
                run.take(record)
                if number % REPORT_EVERY == 0:
                    report.progress(lines.position_bytes)
            run.finish()
    return run.outcome(time.perf_counter() - began)


class LogRun:
    """A log on its way through the live rules, record by record."""

    def __init__(self, plan: Plan, report: Report, settings: Settings, out: ChangesFile) -> None:
        self._plan = plan
        self._report = report
        self._out = out
        self._engine = Engine(plan.ruleset, max_late_ms=plan.max_late_ms)
        self._study = study_of(plan, self._engine)
        learn = None if self._study is None else self._study.take
        self._log = MemoryLog(self._engine, live_clock(settings), learn=learn)
        self._standings = None if plan.step_ms is None else Standings(plan.step_ms)
        self._create_time = 0

    def take(self, record: LogRecord) -> None:
        """Apply one record."""
        if not 0 <= record.broker_ms <= MAX_MS:
            message = (
                f"a record of partition {record.partition} has no broker time ({record.broker_ms} ms): nothing tells "
                "when a worker read it"
            )
            raise ReplayError(message)
        self._create_time += record.create_time
        changes = self._log.feed(record.partition, record.broker_ms, record.key, record.value, tick=record.tick)
        if changes:
            self._write(changes)

    def finish(self) -> None:
        """Fire what the end of the log makes certain; only then it is known where things stood at every step."""
        self._write(list(self._log.finish(self._plan.until_ms)))
        if self._study is not None:
            self._study.finish()
        if self._standings is not None:
            for at_ms, sizes in self._standings.finish(self._horizon_ms()):
                self._report.standing(at_ms, self._log.counters.events, sizes)

    def close(self) -> None:
        """Close what is still open, however the replay ended."""
        if self._study is not None:
            self._study.close()

    def outcome(self, seconds: float) -> Outcome:
        """Return the numbers of the whole replay."""
        counters, horizon_ms = self._log.counters, self._horizon_ms()
        return Outcome(
            events=counters.events,
            applied=counters.applied,
            duplicates=counters.duplicates,
            ticks=counters.ticks,
            create_time=self._create_time,
            customers=counters.customers,
            rejected=counters.rejected,
            changes=counters.changes,
            caps=self._engine.caps,
            horizon_ms=horizon_ms if horizon_ms > NEVER_MS else None,
            seconds=seconds,
            **studied(self._study),
        )

    def _horizon_ms(self) -> int:
        """Return the last instant that any partition's timers may have reached."""
        if self._plan.until_ms is not None:
            return self._plan.until_ms
        newest_ms = self._log.newest_broker_ms.values()
        return max((self._log.clock.certain_ms(each, NEVER_MS) - 1 for each in newest_ms), default=NEVER_MS)

    def _write(self, changes: Sequence[Change]) -> None:
        self._out.write(changes)
        if self._standings is not None:
            for change in changes:
                self._standings.add(size_name(change), change.change, change.at)
