"""The store in memory: for replays and tests, with the same fencing as the one in Redis."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from rules.errors import Fenced
from state.store import NO_OFFSET, ActiveRuleset, Backlog, Commit, Head

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STALE_AT_LEAST = 1024


class DueIndex:
    """Customers by due instant.

    A heap in which a moved customer leaves the old entry behind: entries that the dict does not confirm are skipped,
    and when they outnumber the others the heap is made anew.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        """Return how many entries are kept, those left behind among them."""
        return len(self._heap)

    def move(self, moves: Mapping[str, int | None]) -> None:
        """Set each customer's due instant in milliseconds, None removes."""
        due, heap = self._due, self._heap
        for customer, due_ms in moves.items():
            if due_ms is None:
                due.pop(customer, None)
            elif due.get(customer) != due_ms:
                due[customer] = due_ms
                heapq.heappush(heap, (due_ms, customer))
        if len(heap) > 2 * len(due) + STALE_AT_LEAST:
            self._heap = [(due_ms, customer) for customer, due_ms in due.items()]
            heapq.heapify(self._heap)

    def count(self, before_ms: int) -> int:
        """Return how many customers are due strictly before the instant; reads all of them."""
        return sum(due_ms < before_ms for due_ms in self._due.values())

    def before(self, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Return up to `limit` (customer, due ms) strictly before the instant, earliest first, equal ones by id."""
        due, heap = self._due, self._heap
        found: list[tuple[int, str]] = []
        while heap and heap[0][0] < before_ms and len(found) < limit:
            entry = heapq.heappop(heap)
            if due.get(entry[1]) == entry[0] and (not found or found[-1] != entry):
                found.append(entry)
        for entry in found:
            heapq.heappush(heap, entry)
        return [(customer, due_ms) for due_ms, customer in found]


class Partition:
    """All that is kept of one partition."""

    def __init__(self) -> None:
        """Begin empty, as a partition that was never taken over."""
        self.head = Head()
        self.profiles: dict[str, bytes] = {}
        self.due = DueIndex()
        self.outbox: list[bytes] = []
        self.sizes: dict[str, int] = {}
        self.views: set[str] = set()

    def commit(self, commit: Commit) -> None:
        """Apply a commit whole, or raise `Fenced` and change nothing."""
        head = self.head
        if commit.token and (commit.number, commit.token) == (head.number, head.token):
            return
        self._check(commit)
        del self.outbox[: commit.published]
        self.views.difference_update(commit.viewed)
        self.profiles.update(commit.profiles)
        self.due.move(commit.due)
        for segment, delta in commit.sizes.items():
            size = self.sizes.pop(segment, 0) + delta
            if size:
                self.sizes[segment] = size
        self.outbox.extend(commit.outbox)
        self.views.update(commit.views)
        self.head = Head(
            epoch=head.epoch,
            number=commit.number,
            token=commit.token,
            ruleset=commit.ruleset,
            passed=head.passed if commit.passed is None else commit.passed,
            offset=commit.next_offset,
            marker=head.marker if commit.marker is None else commit.marker,
            topics=head.topics if commit.topics is None else dict(commit.topics),
            forms={**head.forms, **commit.forms},
        )

    def _check(self, commit: Commit) -> None:
        head = self.head
        if commit.epoch != head.epoch or not head.epoch:
            raise _refused(commit, "epoch", commit.epoch, head.epoch)
        if commit.number != head.number + 1:
            raise _refused(commit, "commit number", commit.number, head.number)
        if commit.ruleset < head.ruleset:
            raise _refused(commit, "ruleset number", commit.ruleset, head.ruleset)
        if head.offset not in (NO_OFFSET, commit.from_offset):
            raise _refused(commit, "offset", commit.from_offset, head.offset)
        if commit.next_offset < head.offset:
            raise _refused(commit, "next offset", commit.next_offset, head.offset)
        if commit.published > len(self.outbox):
            raise _refused(commit, "count of published changes", commit.published, len(self.outbox))


def _refused(commit: Commit, what: str, ours: int, stored: int) -> Fenced:
    return Fenced(
        f"commit {commit.number} of partition {commit.partition}: {what} {ours} does not fit the stored {stored}: "
        "another worker or a newer ruleset has taken over"
    )


class MemoryStore:
    """A `state.store.Store` in this process; it ends with it."""

    def __init__(self) -> None:
        """Begin empty."""
        self._partitions: dict[int, Partition] = {}
        self._views: dict[str, tuple[int, bytes]] = {}
        self._ruleset: ActiveRuleset | None = None

    async def start(self) -> None:
        """Do nothing: there is nothing to connect to."""

    async def close(self) -> None:
        """Do nothing."""

    async def head(self, partition: int) -> Head:
        """Return what is stored of the partition."""
        return self._partition(partition).head

    async def take_over(self, partition: int) -> Head:
        """Raise the epoch by one and return the head."""
        kept = self._partition(partition)
        kept.head = msgspec.structs.replace(kept.head, epoch=kept.head.epoch + 1)
        return kept.head

    async def load(self, partition: int, customers: Sequence[str]) -> list[bytes | None]:
        """Return the stored profiles in the order asked, None where there is none."""
        return list(map(self._partition(partition).profiles.get, customers))

    async def commit(self, commit: Commit) -> None:
        """Apply all of it, or raise `Fenced` having changed nothing."""
        self._partition(commit.partition).commit(commit)

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Return up to `limit` (customer, due ms) with due strictly before `before_ms`, earliest first."""
        return self._partition(partition).due.before(before_ms, limit)

    async def outbox(self, partition: int) -> list[bytes]:
        """Return the changes committed and not yet trimmed, oldest first."""
        return list(self._partition(partition).outbox)

    async def backlog(self, partition: int, before_ms: int) -> Backlog:
        """Return how much is due strictly before the instant, since when, and how long the outbox is."""
        kept = self._partition(partition)
        first = kept.due.before(before_ms, 1)
        return Backlog(kept.due.count(before_ms), first[0][1] if first else None, len(kept.outbox))

    async def pending_views(self, partition: int) -> list[str]:
        """Return the customers whose views are yet to be written, in no order."""
        return list(self._partition(partition).views)

    async def write_views(self, views: Mapping[str, tuple[int, bytes]]) -> None:
        """Write views; one with a smaller rev never replaces one with a larger."""
        for customer, view in views.items():
            present = self._views.get(customer)
            if present is None or present[0] <= view[0]:
                self._views[customer] = view

    async def view(self, customer: str) -> bytes | None:
        """Return the customer's view as chat tools read it."""
        found = self._views.get(customer)
        return None if found is None else found[1]

    async def views(self, customers: Sequence[str]) -> list[bytes | None]:
        """Return these customers' views in the order asked, None where there is none."""
        return [await self.view(customer) for customer in customers]

    async def sizes(self, partitions: Sequence[int]) -> dict[str, int]:
        """Return segment name -> number of customers, summed over the partitions; no zero entries."""
        total: dict[str, int] = {}
        for partition in partitions:
            for segment, size in self._partition(partition).sizes.items():
                total[segment] = total.get(segment, 0) + size
        return {segment: size for segment, size in total.items() if size}

    async def customers(self, partition: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan the partition's customers, in the order in which they first came."""
        profiles = self._partition(partition).profiles
        following = cursor + limit
        return following if following < len(profiles) else 0, list(islice(profiles, cursor, following))

    async def viewed(self, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan all customers who have a view, in the order in which they got one."""
        following = cursor + limit
        return following if following < len(self._views) else 0, list(islice(self._views, cursor, following))

    async def active_ruleset(self) -> ActiveRuleset | None:
        """Return the active ruleset, None where none was applied yet."""
        return self._ruleset

    async def activate(self, version: str, source: str, *, only_first: bool = False) -> ActiveRuleset:
        """Make it active under the next number; return what is active afterwards."""
        active = self._ruleset
        if active is None or (active.version != version and not only_first):
            active = ActiveRuleset(active.number + 1 if active else 1, version, source)
            self._ruleset = active
        return active

    async def drop(self) -> None:
        """Forget everything."""
        self._partitions.clear()
        self._views.clear()
        self._ruleset = None

    def _partition(self, partition: int) -> Partition:
        kept = self._partitions.get(partition)
        if kept is None:
            kept = self._partitions[partition] = Partition()
        return kept
