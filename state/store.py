"""The contract of a store: profiles, offsets, due index, outbox and sizes of a partition move together or not at all.

A *tenure* is one worker's ownership of one partition, named by (partition, epoch). `take_over` begins one and ends
every earlier one. Each commit carries the epoch, the number after the stored one, a random token and the offset it
was computed from: a repeat of an applied commit (same token) answers as the first time and writes nothing, also after
a later take-over; anything else that does not fit raises `Fenced` and writes nothing. What fits: the stored epoch
(there is none before the first take-over), the stored number + 1, a ruleset number not below the stored one,
`from_offset` as stored (any where none is), `next_offset` not below it, `published` not above the outbox's length.
`tests/conformance/store.py` has these as laws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_OFFSET = -1


class Head(msgspec.Struct, frozen=True):
    """What is stored of a partition as a whole.

    `offset` is the next offset to read, `marker` the offset after the last acknowledged change on the change topic;
    both are NO_OFFSET where nothing was stored yet. `ruleset` is the number of the last commit's ruleset (0: none).
    `passed` is the number of the newest ruleset that every customer of the partition stands under (0: none).
    `topics` maps a topic name to the id the broker gave it, where the broker has ids, and `<name> partitions` to how
    many the topic of events had when the app began. `forms` has what the partition's profiles leave out because many
    of them share it (`state.codec`), by its name.
    """

    epoch: int = 0
    number: int = 0
    token: str = ""
    ruleset: int = 0
    offset: int = NO_OFFSET
    marker: int = NO_OFFSET
    topics: dict[str, str] = {}
    passed: int = 0
    forms: dict[str, bytes] = {}


class Backlog(msgspec.Struct, frozen=True):
    """What stands in a partition and is to be done: timers that are due, since when, and the outbox's length.

    `due_since_ms` is the earliest due instant, None where nothing is due.
    """

    due: int = 0
    due_since_ms: int | None = None
    outbox: int = 0


class Commit(msgspec.Struct, kw_only=True):
    """One atomic step of a partition.

    Order of effects: remove `published` entries from the outbox's front, remove `viewed` from the views to write, then
    set profiles, move the due index (None removes), add to sizes (deltas), append to the outbox, add `views` and
    `forms`, of which none is ever removed: a profile may have stood untouched since any of them. `marker`, `topics`
    and `passed` are kept as they are where None.
    """

    partition: int
    epoch: int
    number: int
    token: str
    ruleset: int
    from_offset: int
    next_offset: int
    profiles: Mapping[str, bytes] = {}
    due: Mapping[str, int | None] = {}
    sizes: Mapping[str, int] = {}
    outbox: Sequence[bytes] = ()
    views: Sequence[str] = ()
    published: int = 0
    viewed: Sequence[str] = ()
    marker: int | None = None
    topics: Mapping[str, str] | None = None
    passed: int | None = None
    forms: Mapping[str, bytes] = {}


class ActiveRuleset(msgspec.Struct, frozen=True):
    """The app's active ruleset: its number (1, 2, 3…), version and canonical JSON source."""

    number: int
    version: str
    source: str


class Store(Protocol):
    """Where profiles are kept. Implementations: `state.memory.MemoryStore`, `state.redis.RedisStore`."""

    async def start(self) -> None:
        """Connect; raise `ServiceError` naming the address and the remedy where that fails."""

    async def close(self) -> None:
        """Disconnect; a closed store may not be used again."""

    async def head(self, partition: int) -> Head:
        """Return what is stored of the partition, without taking it over."""

    async def take_over(self, partition: int) -> Head:
        """Raise the epoch by one, durably, and return the head with the new epoch. Ends every earlier tenure."""

    async def load(self, partition: int, customers: Sequence[str]) -> list[bytes | None]:
        """Return the stored profiles in the order asked, None where there is none."""

    async def commit(self, commit: Commit) -> None:
        """Apply all of it, durably, or nothing.

        Raises `Fenced` or `StateError` having written nothing, and `ServiceError` having written nothing or, after a
        lost reply, possibly all of it: a repeat with the same token is then harmless.
        """

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Return up to `limit` (customer, due ms) with due strictly before `before_ms`, earliest first."""

    async def outbox(self, partition: int) -> list[bytes]:
        """Return the changes committed and not yet trimmed, oldest first."""

    async def backlog(self, partition: int, before_ms: int) -> Backlog:
        """Return how much is due strictly before the instant, since when, and how long the outbox is."""

    async def pending_views(self, partition: int) -> list[str]:
        """Return the customers whose views are yet to be written, in no order."""

    async def write_views(self, views: Mapping[str, tuple[int, bytes]]) -> None:
        """Write views (customer -> (rev, JSON that has it as `rev`)); a smaller rev never replaces a larger one."""

    async def view(self, customer: str) -> bytes | None:
        """Return the customer's view as chat tools read it."""

    async def views(self, customers: Sequence[str]) -> list[bytes | None]:
        """Return these customers' views in the order asked, None where there is none."""

    async def sizes(self, partitions: Sequence[int]) -> dict[str, int]:
        """Return segment name -> number of customers, summed over the partitions; no zero entries."""

    async def customers(self, partition: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan the partition's customer ids: (next cursor, some ids); begins at cursor 0, ends when it returns 0.

        Some may be none, an id may come twice, and `limit` is a wish. Each that stays throughout comes at least once.
        """

    async def viewed(self, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan the ids of all customers who have a view, as `customers` does; the app has them in no order."""

    async def active_ruleset(self) -> ActiveRuleset | None:
        """Return the active ruleset, None where none was applied yet."""

    async def activate(self, version: str, source: str, *, only_first: bool = False) -> ActiveRuleset:
        """Make it active under the next number, with `only_first` only where none is; return what is active afterwards.

        The version that is active keeps its number.
        """

    async def drop(self) -> None:
        """Remove every key of this app (a replay's own prefix, when it ends)."""
