"""The app's own topic of events, as it stands, by the live rules: `segue replay --live --topic`."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from streams.events import is_tick
from streams.reader import TopicReader
from streams.replay.changes_file import ChangesFile
from streams.replay.dump import LogRecord
from streams.replay.from_log import LogRun
from streams.topics import Topics

if TYPE_CHECKING:
    from streams.reader import Record
    from streams.replay.outcome import Outcome
    from streams.replay.plan import Plan, Report
    from streams.settings import Settings


async def replay_topic(plan: Plan, report: Report, settings: Settings) -> Outcome:
    """Replay the topic of events as it stands now; raises `ServiceError`, `TopicError` or `ReplayError`.

    Its partitions come mixed as the broker gives them, so models may learn in another order in another run: for the
    same result every time, dump the topic first.
    """
    began = time.perf_counter()
    async with TopicReader(settings, Topics.named(settings).events) as reader:
        with (
            ChangesFile(plan.changes, plan.app_id, None) as out,
            contextlib.closing(LogRun(plan, report, settings, out)) as run,
        ):
            async for records in reader.to_end():
                for record in records:
                    run.take(_log_record(record))
            run.finish()
    return run.outcome(time.perf_counter() - began)


def _log_record(record: Record) -> LogRecord:
    create_time = record.timestamp_type == 0
    return LogRecord(record.partition, record.timestamp, create_time, record.key, record.value, is_tick(record))
