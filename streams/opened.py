"""A chunk that was looked at: what `streams.decode` makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.clocks import Clock
    from streams.record import Record


class Opened(NamedTuple):
    """A chunk's records, and of each the broker's time (ms); `clock` makes it the event's. `ticks` counts the ticks."""

    records: Sequence[Record]
    times: Sequence[int]
    ticks: int
    clock: Clock

    @property
    def newest_broker_ms(self) -> int:
        """The newest broker time of any of the records, ticks and those that will be rejected included."""
        return max(self.times)
