"""Records without a hole, from a broker whose fetches may pass over one.

The embedded broker counts a batch's offsets before it stores the batch: while two producers write to one partition, a
fetch may bring the later batch and not yet the earlier one. Read on from there, the earlier one would never be seen;
measured, it is one of some 15,000 records under load. Its log has nothing that leaves a hole for good (transactions,
compaction), so what is missing is on its way, and is asked for again.

Apache Kafka shows a batch when all before it are there, and its holes are for good.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.record import Record

    R = TypeVar("R", bound=Record)

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""After so long a hole is taken to be one for good."""


class Unbroken:
    """One partition, read on from an offset."""

    def __init__(self, offset: int) -> None:
        """Take the offset of the first record that is to come."""
        self._next = offset
        self._hole = -1
        self._since_s = 0.0

    def take(self, records: Sequence[R]) -> tuple[Sequence[R], int | None]:
        """Return what stands before the first hole, and the offset to read from again; None where there is no hole.

        `records` are what a fetch brought from the offset where the last call ended: at least one, in order.
        """
        if records[-1].offset - self._next == len(records) - 1:
            self._next += len(records)
            return records, None
        for place, record in enumerate(records):
            if record.offset > self._next and not self._for_good(record):
                return records[:place], self._next
            self._next = record.offset + 1
        return records, None

    def _for_good(self, behind: Record) -> bool:
        """Whether the hole before a record has been waited for long enough."""
        now_s = time.monotonic()
        if self._hole != self._next:
            self._hole, self._since_s = self._next, now_s
        if now_s - self._since_s < PATIENCE_S:
            return False
        log.warning(
            "%s, partition %d: the broker has no record between offsets %d and %d; read on",
            behind.topic,
            behind.partition,
            self._next,
            behind.offset,
        )
        return True
