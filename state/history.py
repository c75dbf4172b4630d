"""What is kept of the change topic, in Redis: each customer's newest changes, and what entered and left each segment.

Who owns a partition reads its changes and writes them here, a batch at a time. One script moves the offset up to which
the partition was read together with what was read, and refuses a batch that does not begin at the stored offset: each
change counts once, whoever dies, and two who believe that they own a partition do no harm.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import NoScriptError

from rules.errors import StateError
from state.connect import Link
from state.keys import Keys
from state.packed_history import pack, unpack
from state.scripts import Script
from state.servers import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from state.scripts import Argument
    from state.servers import Command

log = logging.getLogger(__name__)

MINUTE_MS = 60_000
_HISTORY = Script("history")
_CUSTOMERS_A_TURN = 25  # packed before others have their turn: a millisecond


class Seen(NamedTuple):
    """One change of the topic.

    `entry` is what is kept of it, bytes without a line break; `segment` the full name; `emitted_ms` when it went out
    (UTC).
    """

    customer: str
    entry: bytes
    segment: str
    entered: bool
    emitted_ms: int


class Place(NamedTuple):
    """How far a partition was read.

    `offset` is the next one, None where nothing was read yet. All that went out before `read_to_ms` (UTC) was read; 0
    where that is not known.
    """

    offset: int | None
    read_to_ms: int


class Batch(NamedTuple):
    """What was read of a partition: from `before` (None at the very first) up to, not including, `after`."""

    before: int | None
    after: int
    read_to_ms: int
    changes: Sequence[Seen] = ()


class Flows(NamedTuple):
    """Full name of a segment -> (entries, exits) in the 24 h before `as_of_ms` (UTC), to the minute.

    `as_of_ms` is None while a partition was not read at all yet.
    """

    by_segment: Mapping[str, tuple[int, int]]
    as_of_ms: int | None


class History:
    """The history of one app, in Redis.

    Parameters
    ----------
    kept
        How many changes of a customer are kept, the newest; 0 keeps none.
    patience_s
        How long a Redis that is away is waited for, in seconds.
    """

    def __init__(self, url: str, app: str, *, kept: int, patience_s: float) -> None:
        """Read the address; nothing is sent yet."""
        self._link = Link(url, patience_s)
        self._names = Keys(app)
        self._kept = kept

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def place(self, partition: int) -> Place:
        """Return how far the partition was read; raises `ServiceError`, `StateError`."""
        key = self._names.history(partition)
        return _place(key, await self._ask(f"read {key}", "HMGET", key, "offset", "read_to"))

    async def write(self, partition: int, batch: Batch) -> None:
        """Take a batch in, whole or not at all.

        Raises
        ------
        Fenced
            if the stored offset is another one than the batch begins at: somebody else reads the partition.
        ServiceError
            if Redis does not answer.
        """
        entries: dict[str, list[bytes]] = {}
        if self._kept:
            for change in batch.changes:
                entries.setdefault(change.customer, []).append(change.entry)
        prefix = self._names.history_prefix(partition)
        customers: list[Argument] = [prefix + customer for customer in entries]
        # nobody changes them before this batch is in, or it is refused
        stored = await self._ask("read histories", "MGET", *customers) if customers else []
        header: list[Argument] = [
            "" if batch.before is None else batch.before,
            batch.after,
            secrets.token_hex(8),
            batch.read_to_ms,
        ]
        packed = await self._packed(zip(customers, stored, entries.values(), strict=True))
        never = self._names.never(partition)
        keys = [self._names.history(partition), *self._names.flows(partition), never, *customers]
        arguments = [*header, *packed, *_flows(batch.changes)]
        await self._run(f"write the history of partition {partition}", keys, arguments)

    async def changes(self, partition: int, customer: str) -> list[bytes]:
        """Return the entries kept of a customer, the newest first; raises `ServiceError`."""
        key = self._names.history_prefix(partition) + customer
        value = await self._ask("read a history", "GET", key)
        return _entries(key, value)[: -self._kept - 1 : -1] if self._kept else []

    async def flows(self, partitions: Iterable[int]) -> Flows:
        """Return what entered and left each segment, over all partitions; raises `ServiceError`, `StateError`."""
        numbers = list(partitions)

        commands: list[Command] = []
        for partition in numbers:
            commands.append(("HMGET", self._names.history(partition), "offset", "read_to"))
            commands.append(("HGETALL", self._names.flows(partition)[0]))

        async def attempt() -> Sequence[Any]:
            return checked(await self._link.servers.pipe(commands))

        replies = await self._link.patiently("read what entered and left", attempt)
        places = [
            _place(self._names.history(number), found) for number, found in zip(numbers, replies[::2], strict=True)
        ]
        sums: dict[str, tuple[int, int]] = {}
        for name, counts in (row for rows in replies[1::2] for row in rows.items()):
            entered, exited = sums.get(name.decode(), (0, 0))
            more_entered, _, more_exited = counts.partition(b" ")
            sums[name.decode()] = entered + int(more_entered), exited + int(more_exited)
        as_of = min((place.read_to_ms for place in places), default=0)
        return Flows(sums, as_of or None)

    async def _packed(self, customers: Iterable[tuple[Argument, bytes | None, list[bytes]]]) -> list[Argument]:
        packed: list[Argument] = []
        for key, stored, new in customers:
            kept = _entries(str(key), stored) if len(new) < self._kept else []
            packed.append(pack([*kept, *new][-self._kept :]))
            if len(packed) % _CUSTOMERS_A_TURN == 0:
                await asyncio.sleep(0)
        return packed

    async def _run(self, what: str, keys: Sequence[Argument], arguments: Sequence[Argument]) -> None:
        async def attempt() -> None:
            call = (_HISTORY.sha, len(keys), *keys, *arguments)
            try:
                await self._link.execute("EVALSHA", *call)
            except NoScriptError:  # the server is new to the script, or was restarted
                await self._link.execute("SCRIPT LOAD", _HISTORY.source)
                await self._link.execute("EVALSHA", *call)

        await self._link.patiently(what, attempt)

    async def _ask(self, what: str, *command: Argument) -> Any:
        return await self._link.patiently(what, lambda: self._link.execute(*command))


def _flows(changes: Iterable[Seen]) -> list[Argument]:
    """Return (minute, segment, entered, exited) quadruples, one after the other."""
    counted: dict[tuple[int, str], list[int]] = {}
    for change in changes:
        counts = counted.setdefault((change.emitted_ms // MINUTE_MS, change.segment), [0, 0])
        counts[0 if change.entered else 1] += 1
    found: list[Argument] = []
    for (minute, segment), counts in counted.items():
        found += (minute, segment, *counts)
    return found


def _entries(key: str, value: bytes | None) -> list[bytes]:
    if value is None:
        return []
    try:
        return unpack(value)
    except ValueError as error:
        # it is a convenience, and the topic has the changes: what comes is kept again
        log.warning("a customer's history cannot be read (%s): it begins anew", type(error).__name__)
        log.debug("it is %s", key)
        return []


def _place(key: str, fields: Sequence[bytes | None]) -> Place:
    offset, read_to = fields
    try:
        return Place(None if offset is None else int(offset), int(read_to or 0))
    except ValueError as error:
        message = f"{key} holds something that is no number ({error}): does another program write to this app's keys?"
        raise StateError(message) from error
