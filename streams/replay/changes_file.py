"""The file of changes that a replay writes: one JSON object a line, as `segment-changes` has them."""

from __future__ import annotations

import contextlib
import time
from typing import IO, TYPE_CHECKING, Self

from rules.dates import format_ms
from rules.errors import ReplayError
from streams.changes import make_entry, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from state.change import Change


class ChangesFile:
    """Changes to a file, in the order given; with no path, to nowhere."""

    def __init__(self, path: Path | None, app_id: str, source: Path | None) -> None:
        """Open it; raises `ReplayError` where that cannot be done, or where it is the replay's own `source`."""
        self._app_id = app_id
        self._path = path
        self._file: IO[bytes] | None = None
        if path is None:
            return
        try:
            if source is not None and path.exists() and path.samefile(source):
                message = f"{path}: is the file that is replayed; write the changes to another"
                raise ReplayError(message)
            self._file = path.open("wb")
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        """Return it, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; raises `ReplayError` where what is left cannot be written."""
        if self._file is not None:
            with self._told():
                self._file.close()

    def write(self, changes: Iterable[Change]) -> None:
        """Write changes that were computed here; raises `ReplayError`."""
        if self._file is not None:
            emitted_at = format_ms(time.time_ns() // 1_000_000)
            lines = [value_of(make_entry(self._app_id, change, 0), emitted_at) + b"\n" for change in changes]
            with self._told():
                self._file.writelines(lines)

    def write_value(self, value: bytes) -> None:
        """Write one change as it was read from the topic; raises `ReplayError`."""
        if self._file is not None:
            with self._told():
                self._file.write(value + b"\n")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> ReplayError:
        return ReplayError(f"{self._path}: the changes cannot be written: {error.strerror}; name a file that can be")
