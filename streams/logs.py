"""What a line of the log looks like, as text or as JSON, and what never stands in one.

No body of an event, no trait, no key or token is logged at any level, and a customer's id at `debug` only: ids are
personal data to many. The calls see to that, all but for exceptions: the words of one that nobody expected may quote
what it was raised of. So of those only the kind and the way are logged.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import orjson

from rules.errors import EventRejected, SegueError

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

OURS = ("streams", "state")
TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_SPEAKING = (SegueError, OSError)
_SPEAKING_PACKAGES = frozenset(("aiokafka", "redis"))  # by name: `segue check` need not wait for their import
"""Exceptions whose words are about services and settings."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "data", "stack"}
"""Attributes of a record that are no fields of ours; the last three are what uvicorn, Faust and mode add."""

CALM_S = 10.0
_MOST_LINES = 1_000

_PLAIN = (str, int, float, bool, type(None))


def trace_of(error: BaseException) -> str:
    """Return the traceback of an exception and of what led to it, with the words of those only that quote no event."""
    parts: list[str] = []
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        frames = "".join(traceback.format_tb(now.__traceback__))
        kind = f"{type(now).__module__}.{type(now).__qualname__}".removeprefix("builtins.")
        words = f": {now}" if _speaks(now) else ""
        parts.append(f"Traceback (most recent call last):\n{frames}{kind}{words}")
        now = now.__cause__ or (None if now.__suppress_context__ else now.__context__)
    return "\n\nled to:\n\n".join(reversed(parts))


def _speaks(error: BaseException) -> bool:
    if isinstance(error, EventRejected):
        return False
    return isinstance(error, _SPEAKING) or type(error).__module__.partition(".")[0] in _SPEAKING_PACKAGES


class TextFormatter(logging.Formatter):
    """Lines for people; a trace follows its line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        kept, record.exc_text = record.exc_text, None  # what another formatter made of the exception has its words
        try:
            return super().format(record)
        finally:
            record.exc_text = kept

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 - the base class's name
        """Return the trace."""
        return trace_of(ei[1]) if ei[1] is not None else ""


class JsonFormatter(TextFormatter):
    """One object a line: `ts`, `level`, `logger`, `message`, `exception` where there is one, and the call's `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in vars(record).items():
            if name not in _STANDARD and name not in line:
                line[name] = value if isinstance(value, _PLAIN) else str(value)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["exception"] = record.stack_info
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate, or an integer past 64 bits
            return json.dumps(line, default=str)


class Calm(logging.Filter):
    """Lets each line of the Kafka client pass once in a while: while a broker is away it has a hundred a second."""

    def __init__(self, pause_s: float = CALM_S) -> None:
        """`pause_s` is for how long a line that was logged is not logged again."""
        super().__init__()
        self._pause_s = pause_s
        self._last_s: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether it passes."""
        if not record.name.startswith("aiokafka") or record.exc_info:
            return True
        line = record.name, record.getMessage()
        if record.created - self._last_s.get(line, -self._pause_s) < self._pause_s:
            return False
        if len(self._last_s) >= _MOST_LINES:
            self._last_s.clear()
        self._last_s[line] = record.created
        return True


def begin_logs(level: int, form: Literal["text", "json"], *, others: int = logging.WARNING) -> None:
    """Log to stderr, segue's own from `level` on and what it is made of from `others` on, or `level` where higher."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter(TEXT))
    handler.addFilter(Calm())
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(max(level, others))
    for ours in OURS:
        logging.getLogger(ours).setLevel(level)
    if level > logging.DEBUG:
        logging.disable(logging.DEBUG)  # Faust and aiokafka build their debug records even where nobody wants them


def log_loops_errors(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody waited for, as a handler of the loop: asyncio's own prints the words of any exception."""
    del loop
    error = context.get("exception")
    logging.getLogger("asyncio").error("%s", context.get("message"), exc_info=error if error is not None else False)
