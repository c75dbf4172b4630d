"""Durations of the segment language: a number and a unit, in whole milliseconds."""

from __future__ import annotations

import re
from typing import Final

UNITS_MS: Final = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DESCRIBED: Final = [(unit, UNITS_MS[unit]) for unit in ("d", "h", "m", "s", "ms")]
LONGEST_MS: Final = 3_650_000 * UNITS_MS["d"]
PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)$"

_FORM = re.compile(r"([0-9]+)(?:\.([0-9]+))?(ms|s|m|h|d|w)")
_SPOKEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)[\s_-]*([a-zA-Z]+)\.?\s*")
_WORDS: Final = {
    "ms": "ms", "msec": "ms", "milli": "ms", "millisecond": "ms",
    "s": "s", "sec": "s", "second": "s",
    "m": "m", "min": "m", "minute": "m",
    "h": "h", "hr": "h", "hour": "h",
    "d": "d", "day": "d",
    "w": "w", "wk": "w", "week": "w",
}  # fmt: skip
_VARYING: Final = {"mo": "month", "mon": "month", "month": "month", "y": "year", "yr": "year", "year": "year"}


def parse_duration(text: object) -> int:
    """Return the duration in milliseconds.

    Raises ValueError, whose text names the remedy, for anything but a number and one of `ms s m h d w` that makes
    whole milliseconds and at most ten thousand years.
    """
    form = _FORM.fullmatch(text) if isinstance(text, str) else None
    if form is None:
        message = f"{text!r} is no duration; {_remedy(text)}"
        raise ValueError(message)
    whole, fraction, unit = form[1], form[2] or "", form[3]
    scaled = int(whole + fraction) * UNITS_MS[unit]
    divisor: int = 10 ** len(fraction)
    duration_ms, rest = divmod(scaled, divisor)
    if rest:
        message = f"{text!r} is not a whole number of milliseconds; use a smaller unit"
        raise ValueError(message)
    if duration_ms > LONGEST_MS:
        message = f"{text!r} is longer than {LONGEST_MS // UNITS_MS['d']}d; leave the bound out"
        raise ValueError(message)
    return duration_ms


def format_duration(duration_ms: int) -> str:
    """Return a text that `parse_duration` reads back: in the largest unit, days at most, that makes it whole."""
    for unit in ("d", "h", "m", "s"):
        if duration_ms and duration_ms % UNITS_MS[unit] == 0:
            return f"{duration_ms // UNITS_MS[unit]}{unit}"
    return f"{duration_ms}ms" if duration_ms else "0s"


def describe_duration(duration_ms: int) -> str:
    """Return a duration for people, in its two largest units: `45d 3h`, `1h 2m`, `0s`."""
    first, rest_ms = "", duration_ms
    for unit, unit_ms in _DESCRIBED:
        count = rest_ms // unit_ms
        if count:
            rest_ms -= count * unit_ms
            if first:
                return f"{first} {count}{unit}"
            first = f"{count}{unit}"
    return first or "0s"


def _remedy(text: object) -> str:
    spoken = _SPOKEN.fullmatch(text) if isinstance(text, str) else None
    if spoken and spoken[2] != "M":  # a minute or a month
        word = spoken[2].lower()
        word = word if word in _WORDS else word.removesuffix("s")
        if word in _WORDS:
            return f"write {spoken[1]}{_WORDS[word]}"
        if word in _VARYING:
            return f"a {_VARYING[word]} is not always as long, write days, like 30d"
    if spoken and spoken[2] == "M":
        return f"write {spoken[1]}m for minutes, or days for months"
    return "write a number and one of ms, s, m, h, d, w, like 30d"
