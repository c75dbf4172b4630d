"""A file of events, one JSON object a line, plain or gzipped: its records as bytes, whatever they hold."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from typing import TYPE_CHECKING, Self

from rules.errors import ReplayError
from streams.events import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path
    from types import TracebackType

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class LinesFile:
    """The lines of a file that hold a record; blank ones do not.

    A line of more than `limit` bytes is given cut, but with more than `limit` of them, so that whoever reads it still
    finds it too large: no line, however long, takes more memory than that.
    """

    def __init__(self, path: Path, limit: int = MAX_BYTES) -> None:
        """Open it; raises `ReplayError` where that cannot be done."""
        self.path = path
        self._limit = limit
        self._files = contextlib.ExitStack()
        try:
            self.size_bytes = path.stat().st_size
            self._raw = self._files.enter_context(path.open("rb"))
            gzipped = self._raw.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)] == _GZIP_MAGIC
        except OSError as error:
            self._files.close()
            message = f"{path}: cannot be read: {error.strerror}; name a file of events, one JSON object a line"
            raise ReplayError(message) from error
        self._lines: BufferedReader | gzip.GzipFile = self._raw
        if gzipped:
            self._lines = self._files.enter_context(gzip.GzipFile(fileobj=self._raw))

    def __enter__(self) -> Self:
        """Return it, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._files.close()

    @property
    def position_bytes(self) -> int:
        """How far the file has been read; gzipped, in bytes of the gzipped file."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[bytes]:
        """Yield each record's bytes, without the end of the line; raises `ReplayError` where the file is broken."""
        number = 0
        readline, most = self._lines.readline, self._limit + len(b"\r\n")
        try:
            if self._lines.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
                self._lines.read(len(_BYTE_ORDER_MARK))  # some editors put one in front of a file
            while line := readline(most):
                number += 1
                if line.endswith(b"\n"):
                    if not line.isspace():
                        yield line.rstrip(b"\r\n")
                elif len(line) == most:
                    yield line
                    self._skip_line()
                elif not line.isspace():
                    yield line
        except (OSError, EOFError, zlib.error) as error:
            message = f"{self.path}:{number + 1}: cannot be read from here on: {error}; is the file whole?"
            raise ReplayError(message) from error

    def _skip_line(self) -> None:
        while (rest := self._lines.readline(self._limit)) and not rest.endswith(b"\n"):
            pass
