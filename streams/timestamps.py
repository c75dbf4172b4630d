"""The timestamps of events, fast: `rules.dates` reads them, in three pieces that are remembered.

The events of a stream share their minute (`2026-03-01T12:00`), their second (`:05`) and their tail (`.120Z`), so most
of them cost three look-ups, in a backlog of hours as in a live stream. Each cache is emptied when full, so memory
stays bounded.
"""

from __future__ import annotations

from typing import Final

from rules import dates
from rules.dates import MAX_MS, MIN_MS

_CACHED: Final = 8192
_LONGEST: Final = 32
"""Characters; a fraction may have as many digits as an event has room for, and such are no use to anybody else."""
_MINUTE: Final = 16  # of 2026-03-01T12:00
_SECOND: Final = 19  # of 2026-03-01T12:00:05
_FORM: Final = "it is no RFC 3339 date-time with an offset in the years 1 to 9999, such as 2026-03-01T12:00:00.000Z"

_minutes: Final[dict[str, int]] = {}
_seconds: Final[dict[str, int]] = {}
_tails: Final[dict[str, int]] = {}


def parse_timestamp(text: str) -> int:
    """Return the instant in UTC milliseconds, its fraction cut (not rounded) to them.

    Raises
    ------
    ValueError
        If it is no date-time of RFC 3339 (section 5.6) with an offset, has a 60th second, or lies outside the UTC
        years 1 to 9999.

    Examples
    --------
    >>> parse_timestamp("1970-01-01T01:00:00.0019+01:00")
    1
    """
    minute, second, tail = text[:_MINUTE], text[_MINUTE:_SECOND], text[_SECOND:]
    minute_ms = _minutes.get(minute)
    if minute_ms is None:
        minute_ms = _remember(_minutes, minute, f"{minute}:00Z")
    second_ms = _seconds.get(second)
    if second_ms is None:
        second_ms = _remember(_seconds, second, f"1970-01-01T00:00{second}Z")
    tail_ms = _tails.get(tail)
    if tail_ms is None:
        tail_ms = _remember(_tails, tail, f"1970-01-01T00:00:00{tail}")
    at_ms = minute_ms + second_ms + tail_ms
    if not MIN_MS <= at_ms <= MAX_MS:
        raise ValueError(_FORM)
    return at_ms


def _remember(cache: dict[str, int], piece: str, whole: str) -> int:
    at_ms = dates.parse_timestamp(whole)
    if at_ms is None:
        raise ValueError(_FORM)
    if len(piece) <= _LONGEST:
        if len(cache) >= _CACHED:
            cache.clear()
        cache[piece] = at_ms
    return at_ms
