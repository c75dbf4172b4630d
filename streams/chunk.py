"""A chunk: what one poll brought of one partition. Faust sees it as one message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.record import Record


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive records of one partition, at least one.

    `tenure` names the tenure that was reading when they were fetched, `number` counts that tenure's chunks from 0:
    a chunk of an earlier tenure is dropped, and one that is missing is noticed.
    """

    partition: int
    tenure: int
    number: int
    records: Sequence[Record]

    @property
    def next_offset(self) -> int:
        """The offset after the last record."""
        return self.records[-1].offset + 1
