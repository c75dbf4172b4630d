"""A segment change as a person reads it: one line, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEFT_OVER = "no other segment's condition holds"
"""Why somebody is in the segment that a segmentation names as `otherwise`."""

_ARROWS = {"entered": "→", "exited": "←"}


def change_line(change: Mapping[str, Any]) -> str:
    """Return a change (the JSON object of `segment-changes`) as one line: when, who, what, why."""
    at = change["at"].replace("T", " ").replace(".000Z", "Z")
    return one_line(f"{at}  {change['customer_id']}  {crossing(change)}  {reason(change)}")


def one_line(text: str) -> str:
    """Return text with what is no printable sign escaped: a sender's ids and traits are not to steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def crossing(change: Mapping[str, Any]) -> str:
    """Return what happened: `→ lifecycle.at_risk (from loyal)`."""
    name = segment_name(change)
    other = change["other"]
    beside = "" if other is None else f" ({'from' if change['change'] == 'entered' else 'to'} {other})"
    return f"{_ARROWS[change['change']]} {name}{beside}"


def reason(change: Mapping[str, Any]) -> str:
    """Return why, and in brackets what it was that turned, where that was no event."""
    conditions, cause = change["because"], change["cause"]["type"]
    entered = change["change"] == "entered"
    words = LEFT_OVER if entered and is_left_over(segment_name(change), conditions) else because(conditions)
    return words if cause == "event" else f"{words} [{cause}]"


def is_left_over(name: str, conditions: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a segment that somebody is in (`segmentation.segment`) is its segmentation's `otherwise`.

    What decided is then no condition of the segment's own: whether that holds says nothing, it may stand under a `not`.
    """
    _, inside, key = name.partition(".")
    return bool(inside) and not any(one["path"].startswith(f"{key}.when") for one in conditions)


def because(conditions: Sequence[Mapping[str, Any]]) -> str:
    """Return the deciding conditions in one phrase."""
    return one_line("; ".join(one["text"] if one["holds"] else f"not: {one['text']}" for one in conditions))


def segment_name(change: Mapping[str, Any]) -> str:
    """Return `own` or `segmentation.segment`."""
    segmentation = change["segmentation"]
    return str(change["segment"]) if segmentation is None else f"{segmentation}.{change['segment']}"
