"""Instants: RFC 3339 texts to UTC milliseconds and back."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Final

DAY_MS: Final = 86_400_000
MIN_MS: Final = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
MAX_MS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]"
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_SECONDS: Final = [f":{second:02}" for second in range(60)]
_MILLIS: Final = [f".{ms:03}Z" for ms in range(1_000)]
_MOST_MINUTES: Final = 16_384
_minutes: Final[dict[int, str]] = {}
"""The text of a minute, by its number since 1970; emptied when full."""
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DATE_PATTERN: Final = f"^(?:{_DAY.pattern}|{_TIMESTAMP.pattern})$"


@lru_cache(maxsize=4096)
def _day_ms(text: str) -> int | None:
    try:
        return (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * DAY_MS
    except ValueError:
        return None


def parse_timestamp(text: str) -> int | None:
    """Return the UTC milliseconds of an RFC 3339 date-time with an offset, None where the text is none.

    The fraction is cut (not rounded) to milliseconds; a 60th second is none, nor is an instant whose UTC year is
    not in 1..9999.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = found.groups()
    day_ms = _day_ms(day)
    if day_ms is None:
        return None
    ms = day_ms + int(hour) * 3_600_000 + int(minute) * 60_000 + int(second) * 1_000
    if fraction:
        ms += int(fraction[:3].ljust(3, "0"))
    if sign:
        offset_ms = int(offset_hours) * 3_600_000 + int(offset_minutes) * 60_000
        ms += offset_ms if sign == "-" else -offset_ms
    return ms if MIN_MS <= ms <= MAX_MS else None


def parse_date(value: object) -> int | None:
    """Return the UTC milliseconds of a date (RFC 3339 with an offset, or YYYY-MM-DD at 00:00 UTC), else None."""
    if not isinstance(value, str):
        return None
    if len(value) == 10 and _DAY.fullmatch(value):  # noqa: PLR2004 - the length of YYYY-MM-DD
        return _day_ms(value)
    return parse_timestamp(value)


def format_ms(ms: int) -> str:
    """Return UTC milliseconds as RFC 3339 with three decimals and Z; raises ValueError outside years 1..9999."""
    minute = ms // 60_000
    rest_ms = ms % 60_000
    text = _minutes.get(minute)
    if text is None:
        text = _minute_text(minute)
        if len(_minutes) >= _MOST_MINUTES:
            _minutes.clear()
        _minutes[minute] = text
    # strftime takes five times as long, and each change and its view format several instants
    return f"{text}{_SECONDS[rest_ms // 1_000]}{_MILLIS[rest_ms % 1_000]}"


def _minute_text(minute: int) -> str:
    day, minute = divmod(minute, 1_440)
    return f"{date.fromordinal(_EPOCH_DAY + day).isoformat()}T{minute // 60:02}:{minute % 60:02}"
