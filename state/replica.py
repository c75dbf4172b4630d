"""What lookups read, read from a replica of the store that keeps no file: it never waits for a disk.

A replica has what its master had a moment ago, unless it has been cut off, was made a master, or follows another one.
`ReplicaReads.look` finds that out, once a second; until the next look, what the replica has is at most as old as two
looks. What the replica cannot say, the store is asked.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, NamedTuple

from rules.errors import SegueError, ServiceError, SettingsError
from state.connect import Link
from state.redis import RedisStore
from state.servers import checked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import Any

    from state.store import Head, Store

    Source = Literal["replica", "store"]
    Read = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]

log = logging.getLogger(__name__)

_SERVER, _REPLICATION = ("INFO", "server"), ("INFO", "replication")


class Standing(NamedTuple):
    """Where a server stands: `run` names the process, `history` the stream of writes, `offset` how far it is in that.

    `linked` says that it is a replica which is connected to its master.
    """

    run: str
    history: str
    offset: int
    is_master: bool
    linked: bool


class ReplicaReads:
    """Reads of single customers: from the replica while it is as new as it should be, else from the store.

    Who is not known to the replica is looked for in the store, too: their first view may be on its way.

    Parameters
    ----------
    url, store_url
        The addresses of the replica and of its master, as `RedisStore` takes them.
    app
        The app id.
    store
        The store itself.
    count
        Told with each read where it was read: `replica` or `store`.
    """

    def __init__(self, url: str, store_url: str, app: str, store: Store, count: Callable[[Source], None]) -> None:
        """Send nothing yet: the store is read until `look` has found the replica."""
        self._replica = RedisStore(url, app, patience_s=0)
        self._links = Link(url, patience_s=0), Link(store_url, patience_s=0)
        self._store = store
        self._count = count
        self._before: Standing | None = None  # the store at the look before
        self._said: type[object] | None = None
        self.used = False
        """Whether the replica is read."""

    async def close(self) -> None:
        """Disconnect from the replica; the store is its owner's."""
        await self._replica.close()
        for link in self._links:
            await link.close()

    async def view(self, customer: str) -> bytes | None:
        """Return the customer's view as chat tools read it."""
        if self.used:
            try:
                found = await self._replica.view(customer)
            except SegueError as error:
                self._turn(error)
            else:
                if found is not None:
                    self._count("replica")
                    return found
        self._count("store")
        return await self._store.view(customer)

    async def views(self, customers: Sequence[str]) -> list[bytes | None]:
        """Return these customers' views in the order asked, None where there is none."""
        return await self._read(customers, self._replica.views, self._store.views)

    async def load(self, partition: int, customers: Sequence[str]) -> list[bytes | None]:
        """Return the stored profiles in the order asked, None where there is none."""
        return await self._read(
            customers,
            lambda some: self._replica.load(partition, some),
            lambda some: self._store.load(partition, some),
        )

    async def head(self, partition: int) -> Head:
        """Return the store's head: a replica's might be older than a profile that was read from the store."""
        return await self._store.head(partition)

    async def look(self) -> None:
        """Find out whether the replica is to be read from now on.

        Raises
        ------
        SettingsError
            if it is none of this store.
        AccessError
            if it does not let us in.
        ServiceError
            if it is away, cut off, or more than one look behind.
        """
        near, far = self._links
        try:
            replica = await _standing(near)
            try:
                store = await _standing(far)
            except ServiceError:  # it may be that only we do not reach it: the replica knows
                store = None
            check(near.address, far.address, replica, store, self._before)
            await self._replica.view("")  # of nobody: it may refuse this, and nothing else
        except SegueError as error:
            self._turn(error)
            raise
        self._before = store or self._before
        self._turn(None)

    def _turn(self, fault: SegueError | None) -> None:
        """Read the replica where nothing speaks against it; what does is said once, in the words of the first."""
        self.used, kind = fault is None, type(fault)
        if kind is self._said:
            return
        self._said, address = kind, self._links[0].address
        if fault is None:
            log.info("lookups read the replica at %s", address)
        else:
            why = fault.__cause__ or fault  # what the server said, or what we say of it
            log.warning("lookups read SEGUE_REDIS, and not its replica (SEGUE_REDIS_VIEWS) at %s: %s", address, why)

    async def _read(
        self,
        customers: Sequence[str],
        replica: Read,
        store: Read,
    ) -> list[bytes | None]:
        found: list[bytes | None] = [None] * len(customers)
        if self.used:
            try:
                found = await replica(customers)
            except SegueError as error:
                self._turn(error)
        missing = [index for index, value in enumerate(found) if value is None]
        if len(missing) < len(customers):
            self._count("replica")
        if missing:
            self._count("store")
            for index, value in zip(missing, await store([customers[index] for index in missing]), strict=True):
                found[index] = value
        return found


def check(address: str, store_address: str, replica: Standing, store: Standing | None, before: Standing | None) -> None:
    """Raise what speaks against reading the replica: `SettingsError` where it is none, else `ServiceError`.

    `store` is None where the store does not answer; `before` is how the store stood at the look before.
    """
    if store is None:
        if not replica.linked:
            message = f"neither its master nor {store_address} answers"
            raise ServiceError(message)
        return
    if replica.run == store.run:  # it was promoted, and the store's address leads to it
        return
    if replica.history != store.history:
        if replica.is_master or replica.linked:
            message = (
                f"SEGUE_REDIS_VIEWS: {address} is no replica of {store_address}: send it REPLICAOF with host and port "
                "of that one, or remove the setting"
            )
            raise SettingsError(message)
        message = "it has not got its copy yet"
        raise ServiceError(message)
    if before is not None and before.history == replica.history and replica.offset < before.offset:
        message = "it is behind by more than a second"
        raise ServiceError(message)
    if before is None and not (replica.linked or replica.is_master):
        message = "its master is not connected"
        raise ServiceError(message)


async def _standing(link: Link) -> Standing:
    """Ask a server where it stands."""
    infos = await link.patiently("ask where Redis stands", lambda: link.servers.pipe([_SERVER, _REPLICATION]))
    server, replication = checked(infos)
    return standing_of({**server, **replication})


def standing_of(info: Mapping[str, Any]) -> Standing:
    """Return what the sections `server` and `replication` of INFO say."""
    is_master = info["role"] == "master"
    return Standing(
        run=str(info["run_id"]),
        history=str(info["master_replid"]),
        offset=int(info["master_repl_offset" if is_master else "slave_repl_offset"]),
        is_master=is_master,
        linked=info.get("master_link_status") == "up",
    )
