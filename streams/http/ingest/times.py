"""When an event happened: the client's word, corrected by how far its clock is off.

A client says when it sent the request. Where that and our clock are more than 5 s apart, its clock is wrong by about
that much, and so is the event's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rules.dates import MAX_MS, MIN_MS, format_ms
from rules.errors import EventRejected
from streams.http.ingest.fields import NULL, as_text, text_of
from streams.timestamps import parse_timestamp

if TYPE_CHECKING:
    from msgspec import Raw

    from streams.http.ingest.fields import Fields

TOLERANCE_MS = 5_000


def said_in(fields: Fields) -> str:
    """Return the name of the field that says when an event happened."""
    stamp = fields.get("timestamp", NULL)
    return "originalTimestamp" if stamp == NULL and fields.get("originalTimestamp", NULL) != NULL else "timestamp"


class Stamp(NamedTuple):
    """An instant in UTC milliseconds, and the JSON that says it."""

    ms: int
    json: Raw

    @classmethod
    def of(cls, value: Raw | None) -> Stamp | None:
        """Return the instant of a value, None where it is no date-time."""
        at_ms = _instant(value)
        return None if at_ms is None or value is None else cls(at_ms, value)


def set_time(fields: Fields, batch_sent: Stamp | None, received: Stamp) -> None:
    """Give an event its `timestamp`, and keep what that was made of.

    Parameters
    ----------
    fields
        The event's top level; changed in place.
    batch_sent
        `sentAt` of the batch around it.
    received
        When we had it.

    Raises
    ------
    EventRejected
        if what says when (`said_in`) is to be corrected and is no date-time. Left as it is, the decoder judges it.
    """
    stamp, original = fields.get("timestamp", NULL), fields.get("originalTimestamp", NULL)
    sent_ms = _instant(fields.get("sentAt"))
    if sent_ms is None and batch_sent is not None:
        sent_ms, fields["sentAt"] = batch_sent
    if fields.get("receivedAt", NULL) == NULL:
        fields["receivedAt"] = received.json
    if NULL not in (stamp, original):
        return
    if stamp == NULL and original == NULL:
        fields["timestamp"] = received.json
        return
    said = original if stamp == NULL else stamp
    if sent_ms is None or abs(received.ms - sent_ms) <= TOLERANCE_MS:
        fields["timestamp"] = said
    else:
        fields["timestamp"] = _corrected(said, received.ms - sent_ms)
        fields["originalTimestamp"] = said


def _corrected(said: Raw, late_ms: int) -> Raw:
    at_ms = _instant(said)
    if at_ms is None:
        reason, detail = "bad_timestamp", f"{_short(said)} is no date-time; write a string as 2026-03-01T12:00:00Z"
        raise EventRejected(reason, detail)
    if not MIN_MS <= at_ms + late_ms <= MAX_MS:
        reason, detail = (
            "bad_timestamp",
            f"{_short(said)}, set right by the clocks' difference, leaves the years 1 to 9999",
        )
        raise EventRejected(reason, detail)
    return as_text(format_ms(at_ms + late_ms))


def _instant(value: Raw | None) -> int | None:
    text = text_of(value)
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except ValueError:
        return None


def _short(value: Raw) -> str:
    return bytes(memoryview(value)[:40]).decode("utf-8", "replace")
