"""A replica of a Valkey for those who only read: it keeps no file, so it never waits for a disk."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from redis.asyncio import Redis

from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


class Follower(EmbeddedValkey):
    """A replica of the server at a URL; it answers when it has all that there was."""

    name = "replica"

    def __init__(self, master: str) -> None:
        """Choose port and folder."""
        super().__init__()
        self._master = urlsplit(master)

    def command(self) -> Sequence[str | Path]:
        """Return Valkey's command line."""
        place = (str(self._master.hostname), str(self._master.port))
        return [*super().command(), "--appendonly", "no", "--replicaof", *place]

    async def answers(self) -> bool:
        """Whether it has all that its master had."""
        if not await super().answers():
            return False
        async with Redis.from_url(self.url) as client:
            return bool((await client.info("replication"))["master_link_status"] == "up")


@contextlib.asynccontextmanager
async def following(master: str) -> AsyncIterator[Follower]:
    """Run a replica of the server at this URL for as long as the context lasts."""
    async with Redis.from_url(master) as client:
        await client.config_set("repl-diskless-sync-delay", 0)  # else it waits for more of them
    async with Follower(master) as follower:
        yield follower
