"""The versions of models that come out of a replay through services: to its report as they come, and to a file."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from rules.errors import ReplayError
from streams.reader import TopicReader
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.replay.plan import Plan, Report
    from streams.settings import Settings


class Versions:
    """Reads the topic `models` along with a replay."""

    def __init__(self, reader: TopicReader, report: Report, file: IO[bytes] | None) -> None:
        """Begin with nothing read; with no file versions go to the report alone."""
        self._reader = reader
        self._report = report
        self._file = file
        self._read = 0

    async def read(self, written: int) -> None:
        """Read on until as many were read as were `written` since the replay began; raises `ServiceError`."""
        async for records in self._reader.at_least(written - self._read):
            self._read += len(records)
            for record in records:
                value = record.value or b""
                if self._file is not None:
                    self._file.write(value + b"\n")
                self._report.learned((record.key or b"").decode(), value)


@contextlib.asynccontextmanager
async def open_versions(plan: Plan, report: Report, settings: Settings) -> AsyncIterator[Versions | None]:
    """Open the topic, and the file that the plan names; None where the ruleset has no models.

    Raises
    ------
    ReplayError
        if the file cannot be written.
    """
    if not plan.ruleset.models:
        yield None
        return
    with contextlib.ExitStack() as files:
        file = None
        if plan.models is not None:
            try:
                file = files.enter_context(plan.models.open("wb"))
            except OSError as error:
                message = f"{plan.models}: the models cannot be written: {error.strerror}; name a file that can be"
                raise ReplayError(message) from error
        async with TopicReader(settings, Topics.named(settings).models) as reader:
            yield Versions(reader, report, file)
