"""How far a partition is behind its log, in records and in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.inquiry import Found
    from streams.transport import Place


class Lag:
    """The lag of one partition in hand, as of the last look; instants are UTC milliseconds of the local clock.

    `events` counts what stands between the offset up to which all is applied and the log's end, ticks and control
    records too; None until it is known. While another tenure is begun it stays as it was, or as the services say.
    """

    def __init__(self, now_ms: int) -> None:
        """Begin with nothing known."""
        self.events: int | None = None
        self._end = 0
        self._rested_ms = now_ms
        self._oldest_ms: int | None = None

    def look(self, applied: int, place: Place | None, oldest_ms: int | None, now_ms: int) -> None:
        """Take how a tenure stands; `oldest_ms` is the broker's time of its oldest chunk, None where it has none."""
        end = max(self._end, place.end if place is not None else 0)
        if oldest_ms is None and place is not None and place.position >= end:
            self.events, self._oldest_ms, self._rested_ms = 0, None, now_ms
            return
        if place is None and not self._end:
            return
        self.events = max(0, end - applied)
        self._since(oldest_ms)

    def told(self, found: Found, *, held: bool) -> None:
        """Take what store and broker say; where no tenure holds the partition there is nothing better."""
        self._end = max(self._end, found.end)
        if not held:
            self.events = found.end - found.offset if found.waits else 0
            self._since(None)

    def seconds(self, now_ms: int) -> float:
        """Return how long ago the broker got the first record that is not applied; 0 where none waits.

        Where that record is not here yet: how long ago nothing waited, or the partition came into this hand.
        """
        if not self.events or self._oldest_ms is None:
            return 0.0
        return max(0, now_ms - self._oldest_ms) / 1000

    def _since(self, oldest_ms: int | None) -> None:
        if oldest_ms is not None and oldest_ms > 0:  # a producer's time may be anything
            self._oldest_ms = oldest_ms
        elif self._oldest_ms is None:
            self._oldest_ms = self._rested_ms
