"""Where lookups read customers: from the store, or from a replica of it for as long as that follows."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from rules.errors import AccessError, SegueError, ServiceError
from state.replica import ReplicaReads
from streams.redis_access import redis_url, views_url
from streams.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from state.store import Head, Store
    from streams.http.parts import HttpParts

LOOK_S = 1.0


class Reads(Protocol):
    """What `state.store.Store` can say of single customers; a replica may be a moment behind it."""

    async def view(self, customer: str) -> bytes | None:
        """Return the customer's view as chat tools read it."""

    async def views(self, customers: Sequence[str]) -> list[bytes | None]:
        """Return these customers' views in the order asked, None where there is none."""

    async def load(self, partition: int, customers: Sequence[str]) -> list[bytes | None]:
        """Return the stored profiles in the order asked, None where there is none."""

    async def head(self, partition: int) -> Head:
        """Return what is stored of the partition, never older than a profile that was read before."""


@contextlib.asynccontextmanager
async def reading(parts: HttpParts, store: Store) -> AsyncIterator[Reads]:
    """Look after the replica of `SEGUE_REDIS_VIEWS`, where there is one, for as long as the context lasts.

    Raises
    ------
    SettingsError
        if what is there is no replica of the store.
    AccessError
        if it does not let us in.
    """
    settings = parts.settings
    if not settings.redis_views:
        yield store
        return
    counts = {source: parts.metrics.lookup_reads.labels(source) for source in ("replica", "store")}
    reads = ReplicaReads(
        views_url(settings), redis_url(settings), settings.app_id, store, lambda source: counts[source].inc()
    )
    looking = None
    try:
        try:
            await reads.look()
        except AccessError:
            raise
        except ServiceError:
            pass  # it has said so, and may come
        looking = asyncio.create_task(_look(reads))
        yield reads
    finally:
        await end(looking)
        await reads.close()


async def _look(reads: ReplicaReads) -> None:
    while True:
        await asyncio.sleep(LOOK_S)
        with contextlib.suppress(SegueError):  # it says so
            await reads.look()
