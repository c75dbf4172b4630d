"""The newest events of the stream in memory, in the order in which this process read them, bounded in bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.http.stream.entries import Entry

BATCH_BYTES = 64 * 1024
"""Of frames, in one batch: what a client is sent at once. A larger event is a batch alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Events that go out together. `lows` has the lowest offset of each partition that has a change here."""

    number: int
    entries: Sequence[Entry]
    size: int
    lows: dict[int, int]


class Ring:
    """Batches by number: `first` is the oldest that is kept, `next` the one to come.

    `floor` is the offset of each partition from which on every change is here.
    """

    def __init__(self, most_bytes: int) -> None:
        """Hold nothing, of no partition."""
        self.first = self.next = 0
        self.floor: list[int] = []
        self.size = 0
        self._most_bytes = most_bytes
        self._batches: dict[int, Batch] = {}
        self._last: dict[int, int] = {}

    def begin(self, offsets: Sequence[int]) -> None:
        """Forget all, and stand at these offsets."""
        self._batches.clear()
        self._last.clear()
        self.first, self.size, self.floor = self.next, 0, list(offsets)

    def __getitem__(self, number: int) -> Batch:
        """Return a batch that is kept."""
        return self._batches[number]

    def append(self, entries: Sequence[Entry]) -> None:
        """Take the next events, as a batch, or as several; the oldest go where it gets too much."""
        gathered: list[Entry] = []
        frames = 0
        for entry in entries:
            if gathered and frames + len(entry.frame) > BATCH_BYTES:
                self._add(gathered)
                gathered, frames = [], 0
            gathered.append(entry)
            frames += len(entry.frame)
        if gathered:
            self._add(gathered)

    def covers(self, offsets: Sequence[int]) -> bool:
        """Whether all that is behind these offsets is here."""
        return all(offset >= floor for offset, floor in zip(offsets, self.floor, strict=True))

    def start(self, offsets: Sequence[int]) -> int:
        """Return the number of a batch before which nothing is behind these offsets, which the ring covers."""
        behind = {partition for partition, last in self._last.items() if offsets[partition] <= last}
        number = self.next
        while behind and number > self.first:
            number -= 1
            for partition, low in self._batches[number].lows.items():
                if low <= offsets[partition]:
                    behind.discard(partition)
        return number

    def _add(self, entries: list[Entry]) -> None:
        lows: dict[int, int] = {}
        for entry in entries:
            if entry.change is not None:
                lows.setdefault(entry.change.partition, entry.change.offset)
                self._last[entry.change.partition] = entry.change.offset
        batch = Batch(self.next, tuple(entries), sum(entry.size for entry in entries), lows)
        self._batches[batch.number] = batch
        self.next += 1
        self.size += batch.size
        while self.size > self._most_bytes and self.first < batch.number:  # the newest one stays, whatever its size
            self._evict()

    def _evict(self) -> None:
        batch = self._batches.pop(self.first)
        self.first += 1
        self.size -= batch.size
        for entry in batch.entries:
            if entry.change is not None:
                self.floor[entry.change.partition] = entry.change.offset + 1
            for partition, gap in entry.gaps.items():
                self.floor[partition] = gap.end
