"""A chunk that was looked at: what `streams.decode` makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.clocks import Clock
    from streams.record import Record


class Opened(NamedTuple):
    """A chunk's records, and of each the value and the broker's time (ms); `clock` makes that the event's.

    The values stand apart from their records: a chunk is applied customer by customer, and a record that is looked at
    out of turn has to be waited for. `ticks` counts the ticks.
    """

    records: Sequence[Record]
    values: Sequence[bytes | None]
    times: Sequence[int]
    ticks: int
    clock: Clock

    @property
    def newest_broker_ms(self) -> int:
        """The newest broker time of any of the records, ticks and those that will be rejected included."""
        return max(self.times)
