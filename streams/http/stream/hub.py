"""One reading of the changes, and all who hear them: a client is a number in the ring, and is woken when it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.http.stream.entries import change_entry, gap_entry
from streams.http.stream.ring import Ring
from streams.http.stream.wanted import NOTHING, Chosen, chosen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from streams.http.stream.entries import Change, Entry, Gap
    from streams.http.stream.position import Position
    from streams.http.stream.ring import Batch
    from streams.http.stream.subscriber import Subscriber

RING_BYTES = 16 * 1024 * 1024


class Hub:
    """What one process has read of the changes: `position` is how far, `id` the same as text."""

    def __init__(self, ring_bytes: int) -> None:
        """Stand nowhere, with nobody listening."""
        self.ring = Ring(ring_bytes)
        self.position: Position | None = None
        self.id = b""
        self._all: set[Subscriber] = set()
        self._general: set[Subscriber] = set()
        self._by_customer: dict[str, set[Subscriber]] = {}

    def __len__(self) -> int:
        """How many listen."""
        return len(self._all)

    # what was read

    def begin(self, position: Position) -> None:
        """Stand there, and know of nothing before."""
        self.position = position
        self.id = position.text()
        self.ring.begin(position.offsets)

    def take(self, changes: Iterable[Change], passed: Mapping[int, int]) -> None:
        """Hand out the next changes, in order within a partition.

        `passed` is where reading stands by now: behind them, and behind what was for nobody.
        """
        position = self._stands()
        entries = []
        for change in changes:
            if change.offset >= position.offsets[change.partition]:
                position.move(change.partition, change.offset + 1)
                entries.append(change_entry(change, position.text()))
        for partition, offset in passed.items():
            if offset > position.offsets[partition]:
                position.move(partition, offset)
        self._append(entries)

    def skip(self, gaps: Mapping[int, Gap]) -> None:
        """Say what can be had no more, and go on behind it."""
        position = self._stands()
        for partition, gap in gaps.items():
            position.move(partition, gap.end)
        self._append([gap_entry(gaps, position.text())])

    def reset(self, position: Position, gaps: Mapping[int, Gap]) -> None:
        """Say that the log is another one by now, and go on there.

        Who does not wait for what comes next ends: their ids say what of theirs is missing.
        """
        for subscriber in list(self._all):
            if subscriber.own is not None or not subscriber.waiting:
                subscriber.end("reset")
        self.begin(position)
        if gaps:
            self._append([gap_entry(gaps, self.id)])

    # who listens

    def attend(self, subscriber: Subscriber) -> None:
        """Let one listen from now on."""
        subscriber.cursor = self.ring.next
        self._all.add(subscriber)
        if not subscriber.wanted.customers:
            self._general.add(subscriber)
        for customer in subscriber.wanted.customers:
            self._by_customer.setdefault(customer, set()).add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget one, where it is known."""
        self._all.discard(subscriber)
        self._general.discard(subscriber)
        for customer in subscriber.wanted.customers:
            listening = self._by_customer.get(customer, set())
            listening.discard(subscriber)
            if not listening:
                self._by_customer.pop(customer, None)

    def covers(self, position: Position) -> bool:
        """Whether all that is behind a position is in the ring."""
        here = self._stands()
        return (
            position.mark == here.mark
            and len(position.offsets) == len(here.offsets)
            and self.ring.covers(position.offsets)
        )

    def reaches(self, position: Position) -> bool:
        """Whether the hub stands there, or further on."""
        return all(here >= there for here, there in zip(self._stands().offsets, position.offsets, strict=True))

    def join(self, subscriber: Subscriber, position: Position) -> bool:
        """Let one go on from a position that it takes along; False where the ring does not have all behind it."""
        if not self.covers(position):
            return False
        self.attend(subscriber)
        subscriber.cursor = self.ring.start(position.offsets)
        subscriber.own = position
        return True

    def next(self, subscriber: Subscriber) -> Chosen | None:
        """Return what comes next for one, which may be nothing; None where they have to wait."""
        ring = self.ring
        if subscriber.cursor >= ring.next:
            if subscriber.own is not None and self.reaches(subscriber.own):
                subscriber.own = None
            return None
        if subscriber.cursor < ring.first:
            subscriber.end("slow")
            return None
        batch = ring[subscriber.cursor]
        subscriber.cursor += 1
        if subscriber.own is not None:
            return _own(batch, subscriber.own, subscriber)
        found = chosen(batch, subscriber.wanted)
        if subscriber.cursor == ring.next and found.data.endswith(b"id: %b\n\n" % self.id):
            subscriber.told = self.id
        return found

    def pulse(self, subscriber: Subscriber) -> bytes:
        """Return a sign of life for one that has had everything: a comment, and where they stand if that moved."""
        if subscriber.own is not None or subscriber.told == self.id:
            return b":\n\n"
        subscriber.told = self.id
        return b":\nid: %b\n\n" % self.id

    def lag(self) -> int:
        """Return how many bytes of the ring the one furthest behind has yet to get, about."""
        ring = self.ring
        kept = ring.next - ring.first
        behind = max((ring.next - subscriber.cursor for subscriber in self._all if not subscriber.waiting), default=0)
        return ring.size * min(behind, kept) // kept if kept else 0

    def has_lost(self, subscriber: Subscriber) -> bool:
        """Whether what one has yet to get is in the ring no more."""
        return not subscriber.waiting and subscriber.cursor < self.ring.first and subscriber in self._all

    def remind(self, subscriber: Subscriber) -> None:
        """Have one be sent a sign of life."""
        subscriber.due = True
        self._wake(subscriber, self.ring.next)

    def _append(self, entries: Sequence[Entry]) -> None:
        self.id = self._stands().text()
        if not entries:
            return
        first = self.ring.next
        self.ring.append(entries)
        concerned = self._general.copy()
        for entry in entries:
            if entry.change is None:
                concerned = self._all.copy()
                break
            concerned |= self._by_customer.get(entry.change.customer, frozenset())
        for subscriber in concerned:
            self._wake(subscriber, first)

    def _wake(self, subscriber: Subscriber, first: int) -> None:
        if subscriber.waiting:
            # they have had what is for them up to here: of what came meanwhile they were told nothing
            subscriber.cursor = first
            subscriber.wake()

    def _stands(self) -> Position:
        assert self.position is not None  # noqa: S101 - nobody is served before it has begun
        return self.position


def _own(batch: Batch, own: Position, subscriber: Subscriber) -> Chosen:
    """Return what of a batch one has not had, with ids of where they stand."""
    frames = []
    for entry in batch.entries:
        change = entry.change
        if change is not None:
            if change.offset < own.offsets[change.partition]:
                continue
            own.move(change.partition, change.offset + 1)
        else:
            ahead = {partition: gap for partition, gap in entry.gaps.items() if gap.end > own.offsets[partition]}
            if not ahead:
                continue
            for partition, gap in ahead.items():
                own.move(partition, gap.end)
        if subscriber.wanted.takes(change):
            frames.append(entry.with_id(own.text()))
    return Chosen(b"".join(frames), len(frames)) if frames else NOTHING
