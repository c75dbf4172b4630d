"""One event as the engine sees it: decoded, its customer known, its time resolved."""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, gc=False):
    """One decoded event of one customer.

    `ts` and `floor` are UTC milliseconds: `ts` is the time it is applied at, `floor` the instant strictly before
    which the customer's own timers fire first. `name` is what conditions call it (`event` of a track, else the
    type). `body` is the event's JSON with everything that counts as absent removed at the top level.
    """

    customer: str
    name: str
    type: str
    ts: int
    floor: int
    body: dict[str, Any]
    message_id: str | None = None
