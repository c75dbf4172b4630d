"""The store in Redis or Valkey: what production runs on.

Each partition's keys share a slot and change only through `lua/commit.lua`, so a commit is atomic and fenced. Every
call may be repeated without harm; `Link.patiently` does, while the server is away.
"""

from __future__ import annotations

import functools
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from redis.exceptions import NoScriptError

from rules.errors import StateError
from state import scripts
from state.connect import Link
from state.durability import Synced, must_wait
from state.keys import FORM_FIELD, Keys
from state.scans import scan_all, scan_slot
from state.servers import checked
from state.store import NO_OFFSET, ActiveRuleset, Backlog, Commit, Head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from state.scripts import Argument, Script
    from state.servers import Command

SLICE = 1000  # keys in one command: a longer one would keep other partitions waiting

_FORM_FIELD = FORM_FIELD.encode()
_topics = msgspec.json.Decoder(dict[str, str]).decode


class RedisStore:
    """A `state.store.Store` in Redis 7.2 or later, or Valkey.

    Parameters
    ----------
    url
        `redis://host:port/db`, `rediss://…` for TLS, `unix://…`, or `redis+cluster://host:port,host:port`.
    app
        The app id: every key begins with it and a colon.
    patience_s
        For how long a call asks a server that is away again before it raises `ServiceError`, in seconds. One attempt
        takes 10 s at most (`?socket_timeout=` in the URL changes that).
    require_durable
        Refuse, at start, a server that may lose what it acknowledged.
    replicas
        So many replicas must have a commit, a take-over or an activation before it counts as done.
    replicas_patience_ms
        For how long one attempt waits for them; it is repeated within `patience_s`.
    """

    def __init__(
        self,
        url: str,
        app: str,
        *,
        patience_s: float = 30.0,
        require_durable: bool = True,
        replicas: int = 0,
        replicas_patience_ms: int = 1_000,
    ) -> None:
        """Keep the settings; `start` connects."""
        self._names = Keys(app)
        self._link = Link(url, patience_s)
        self._require_durable = require_durable
        self._synced = Synced(replicas=replicas, replicas_patience_ms=replicas_patience_ms)

    async def start(self) -> None:
        """Connect, see whether the server keeps what it acknowledges, and load the scripts."""

        async def attempt() -> bool:
            wait, servers = False, self._link.servers
            for address, client in await servers.each():
                wait |= await must_wait(
                    client, address, in_cluster=servers.is_cluster, require_durable=self._require_durable
                )
            for script in scripts.ALL:
                await self._link.execute("SCRIPT LOAD", script.source)
            return wait

        try:
            self._synced = self._synced._replace(file=await self._link.patiently("connect to Redis", attempt))
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def head(self, partition: int) -> Head:
        """Return what is stored of the partition; raise `StateError` where that is no head."""
        key = self._names.head(partition)
        fields = await self._ask(f"read {key}", "HGETALL", key)
        return _head(key, fields)

    async def take_over(self, partition: int) -> Head:
        """Raise the epoch by one (by more after lost replies), durably, and return the head."""
        key = self._names.head(partition)
        flat = await self._write(f"take over partition {partition}", scripts.TAKE_OVER, [key], [])
        return _head(key, dict(zip(flat[::2], flat[1::2], strict=True)))

    async def load(self, partition: int, customers: Sequence[str]) -> list[bytes | None]:
        """Return the stored profiles in the order asked, None where there is none."""
        prefix = self._names.profile_prefix(partition)
        found: list[bytes | None] = []
        for at in range(0, len(customers), SLICE):
            keys = [prefix + customer for customer in customers[at : at + SLICE]]
            found += await self._link.read(f"load profiles of partition {partition}", "MGET", *keys)
        return found

    async def commit(self, commit: Commit) -> None:
        """Apply all of it, durably, or nothing."""
        keys, arguments = scripts.commit_call(self._names, commit, prove=bool(self._synced.commands))
        await self._write(f"commit {commit.number} of partition {commit.partition}", scripts.COMMIT, keys, arguments)

    async def due(self, partition: int, before_ms: int, limit: int) -> list[tuple[str, int]]:
        """Return up to `limit` (customer, due ms) with due strictly before `before_ms`, earliest first."""
        key = self._names.due(partition)
        bounds = ("-inf", f"({before_ms}", "LIMIT", 0, limit, "WITHSCORES")
        flat = await self._link.read(f"read {key}", "ZRANGEBYSCORE", key, *bounds)
        return [(customer.decode(), int(score)) for customer, score in zip(flat[::2], flat[1::2], strict=True)]

    async def outbox(self, partition: int) -> list[bytes]:
        """Return the changes committed and not yet trimmed, oldest first."""
        key = self._names.outbox(partition)
        changes: list[bytes] = await self._ask(f"read {key}", "LRANGE", key, 0, -1)
        return changes

    async def backlog(self, partition: int, before_ms: int) -> Backlog:
        """Return how much is due strictly before the instant, since when, and how long the outbox is."""
        key, what = self._names.due(partition), f"read the backlog of partition {partition}"
        due = await self._ask(what, "ZCOUNT", key, "-inf", f"({before_ms}")
        first = await self.due(partition, before_ms, 1)
        outbox = await self._ask(what, "LLEN", self._names.outbox(partition))
        return Backlog(int(due), first[0][1] if first else None, int(outbox))

    async def pending_views(self, partition: int) -> list[str]:
        """Return the customers whose views are yet to be written, in no order."""
        key = self._names.views(partition)
        return [customer.decode() for customer in await self._ask(f"read {key}", "SMEMBERS", key)]

    async def write_views(self, views: Mapping[str, tuple[int, bytes]]) -> None:
        """Write views; one with a smaller rev never replaces one with a larger."""
        prefix = self._names.view_prefix
        for part in _slices(views):
            keys: list[Argument] = [prefix + customer for customer, _ in part]
            arguments: list[Argument] = [argument for _, (rev, json) in part for argument in (rev, json)]
            if self._link.servers.is_cluster:  # views lie in as many slots as there are customers
                await self._write_each(scripts.WRITE_VIEWS, keys, arguments)
            else:
                await self._write("write views", scripts.WRITE_VIEWS, keys, arguments, durably=False)

    async def view(self, customer: str) -> bytes | None:
        """Return the customer's view as chat tools read it."""
        found: bytes | None = await self._link.read("read a view", "GET", self._names.view_prefix + customer)
        return found

    async def views(self, customers: Sequence[str]) -> list[bytes | None]:
        """Return these customers' views in the order asked, None where there is none."""
        found: list[bytes | None] = []
        for at in range(0, len(customers), SLICE):
            keys = [self._names.view_prefix + customer for customer in customers[at : at + SLICE]]
            if self._link.servers.is_cluster:
                found += await self._pipe("read views", [("GET", key) for key in keys])
            else:
                found += await self._ask("read views", "MGET", *keys)
        return found

    async def sizes(self, partitions: Sequence[int]) -> dict[str, int]:
        """Return segment name -> number of customers, summed over the partitions; no zero entries."""
        total: dict[str, int] = {}
        for partition in partitions:
            key = self._names.sizes(partition)
            for segment, size in (await self._ask(f"read {key}", "HGETALL", key)).items():
                total[segment.decode()] = total.get(segment.decode(), 0) + int(size)
        return {segment: size for segment, size in total.items() if size}

    async def customers(self, partition: int, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan the partition's customers. An id may come twice; each that stays throughout comes at least once."""
        prefix, pattern = self._names.profile_prefix(partition), self._names.scan_pattern(partition)
        head = self._names.head(partition)
        found = await self._link.patiently(
            "scan customers", lambda: scan_slot(self._link, head, pattern, cursor, limit)
        )
        return _without(prefix, found)

    async def viewed(self, cursor: int, limit: int) -> tuple[int, list[str]]:
        """Scan all customers who have a view. An id may come twice; each that stays throughout comes at least once."""
        pattern = self._names.view_pattern
        found = await self._link.patiently("scan views", lambda: scan_all(self._link, pattern, cursor, limit))
        return _without(self._names.view_prefix, found)

    async def active_ruleset(self) -> ActiveRuleset | None:
        """Return the active ruleset, None where none was applied yet."""
        key = self._names.rules
        fields = await self._ask(f"read {key}", "HMGET", key, "number", "version", "source")
        return None if fields[0] is None else _ruleset(key, fields)

    async def activate(self, version: str, source: str, *, only_first: bool = False) -> ActiveRuleset:
        """Make it active under the next number, durably; return what is active afterwards."""
        arguments: list[Argument] = [version, source, int(only_first), int(bool(self._synced.commands))]
        fields = await self._write("apply a ruleset", scripts.ACTIVATE, [self._names.rules], arguments)
        return _ruleset(self._names.rules, fields)

    async def drop(self) -> None:
        """Remove every key of this app, and no other."""
        what, cursor = "drop the app's keys", 0
        scan = functools.partial(scan_all, self._link, self._names.everything)
        while True:
            cursor, keys = await self._link.patiently(what, functools.partial(scan, cursor, SLICE))
            if self._link.servers.is_cluster:
                await self._pipe(what, [("UNLINK", key) for key in keys])
            elif keys:
                await self._ask(what, "UNLINK", *keys)
            if cursor == 0:
                return

    async def _pipe(self, what: str, commands: Sequence[Command]) -> list[Any]:
        async def attempt() -> list[Any]:
            return list(checked(await self._link.servers.pipe(commands)))

        return await self._link.patiently(what, attempt) if commands else []

    async def _write_each(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> None:
        """Run a script that takes two arguments a key, for each key by itself."""
        calls: list[Command] = [
            ("EVALSHA", script.sha, 1, key, *arguments[2 * at : 2 * at + 2]) for at, key in enumerate(keys)
        ]

        async def attempt() -> None:
            replies = await self._link.servers.pipe(calls)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                await self._link.execute("SCRIPT LOAD", script.source)
                replies = await self._link.servers.pipe(calls)
            checked(replies)

        await self._link.patiently("write views", attempt)

    async def _ask(self, what: str, *command: Argument) -> Any:
        return await self._link.patiently(what, lambda: self._link.execute(*command))

    async def _write(
        self, what: str, script: Script, keys: list[Argument], arguments: list[Argument], *, durably: bool = True
    ) -> Any:
        async def attempt() -> Any:
            try:
                return await self._run(script, keys, arguments, durably=durably)
            except NoScriptError:  # the server is new to the script, or was restarted
                await self._link.execute("SCRIPT LOAD", script.source)
                return await self._run(script, keys, arguments, durably=durably)

        return await self._link.patiently(what, attempt)

    async def _run(self, script: Script, keys: list[Argument], arguments: list[Argument], *, durably: bool) -> Any:
        """Run the script and, on the same connection, wait until what it wrote is where it must be."""
        call = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        waits = self._synced.commands if durably else []
        if not waits:
            return await self._link.call(*call)
        answer, *counts = checked(await self._link.servers.pipe([call, *waits]))
        self._synced.check(counts)
        return answer


def _without(prefix: str, found: tuple[int, list[bytes]]) -> tuple[int, list[str]]:
    skip = len(prefix.encode())
    return found[0], [key[skip:].decode() for key in found[1]]


def _slices(views: Mapping[str, tuple[int, bytes]]) -> Iterator[list[tuple[str, tuple[int, bytes]]]]:
    items = iter(views.items())
    while part := list(islice(items, SLICE)):
        yield part


def _head(key: str, fields: dict[bytes, bytes]) -> Head:
    try:
        return Head(
            epoch=int(fields.get(b"epoch", 0)),
            number=int(fields.get(b"number", 0)),
            token=fields.get(b"token", b"").decode(),
            ruleset=int(fields.get(b"ruleset", 0)),
            passed=int(fields.get(b"passed", 0)),
            offset=int(fields.get(b"offset", NO_OFFSET)),
            marker=int(fields.get(b"marker", NO_OFFSET)),
            topics=_topics(fields.get(b"topics", b"{}")),
            forms={
                name.decode().removeprefix(FORM_FIELD): value
                for name, value in fields.items()
                if name.startswith(_FORM_FIELD)
            },
        )
    except (ValueError, msgspec.MsgspecError) as error:
        message = f"{key} is no head of a partition ({error}): does another program write to this app's keys?"
        raise StateError(message) from error


def _ruleset(key: str, fields: Sequence[bytes]) -> ActiveRuleset:
    try:
        return ActiveRuleset(int(fields[0]), fields[1].decode(), fields[2].decode())
    except (ValueError, AttributeError) as error:
        message = f"{key} is no active ruleset ({error}): does another program write to this app's keys?"
        raise StateError(message) from error
