"""One event as the engine sees it: decoded, its customer known, its time resolved."""

from __future__ import annotations

from typing import Any


class Event:
    """One decoded event of one customer.

    `ts` and `floor` are UTC milliseconds: `ts` is the time it is applied at, `floor` the instant strictly before
    which the customer's own timers fire first. `name` is what conditions call it (`event` of a track, else the
    type). `body` is the event's JSON with everything that counts as absent removed at the top level.
    `boxed_ts` is `ts` as an object: all that keep it share that one, also where this is compiled.
    """

    __slots__ = ("body", "boxed_ts", "customer", "floor", "message_id", "name", "ts", "type")

    def __init__(
        self,
        customer: str,
        name: str,
        type: str,
        ts: int,
        floor: int,
        body: dict[str, Any],
        message_id: str | None = None,
    ) -> None:
        """Keep what was decoded."""
        self.customer = customer
        self.name = name
        self.type = type
        self.ts = ts
        self.boxed_ts: Any = ts
        self.floor = floor
        self.body = body
        self.message_id = message_id
