"""What stands behind an address: one server, or a cluster of them (`state.cluster`). Both answer the same calls.

A command is a tuple of its name and its arguments. One without a key (`WAITAOF`, `SCAN`, `INFO`) goes to the server of
the command before it, on the same connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from state.lane import Shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.asyncio import Redis

Command = tuple[Any, ...]


class Servers(Protocol):
    """One server, or those of a cluster.

    Nothing is sent twice but what a server has refused with a redirection. Errors are redis-py's.
    """

    is_cluster: bool

    def execute(self, *command: Any) -> Awaitable[Any]:
        """Return the reply to a command; one without a key is each server's, and the first one's reply is returned."""

    def read(self, limit_s: float, *command: Any) -> Awaitable[Any]:
        """Return the reply to a command that reads one slot; raise a `TimeoutError` where there is none in time."""

    def call(self, limit_s: float, *command: Any) -> Awaitable[Any]:
        """Return the reply to a call of a script that writes to one slot; raise as `read` does."""

    async def pipe(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, errors among them; those for one server go over one connection, in order."""

    async def each(self) -> Sequence[tuple[str, Redis]]:
        """Return the address of each server that takes writes, and a client of it."""

    async def forget(self) -> None:
        """Ask anew, the next time, who the servers are."""

    async def aclose(self) -> None:
        """Close every connection."""


class OneServer:
    """The server at an address."""

    is_cluster = False

    def __init__(self, client: Redis, address: str) -> None:
        """Send nothing yet."""
        self.client = client
        self._address = address
        self.execute = client.execute_command
        self._reads = Shared(client.connection_pool.make_connection)
        self.read = self._reads.execute
        self._calls = Shared(client.connection_pool.make_connection)  # apart: a read does not wait behind a commit
        self.call = self._calls.execute

    async def pipe(self, commands: Sequence[Command]) -> list[Any]:
        """Return the replies in order, errors among them."""
        return await piped(self.client, commands)

    async def each(self) -> Sequence[tuple[str, Redis]]:
        """Return the one there is."""
        return [(self._address, self.client)]

    async def forget(self) -> None:
        """Give up the connections that rest: the name may stand for another server by now."""
        await self._reads.forget()
        await self._calls.forget()
        await self.client.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._reads.aclose()
        await self._calls.aclose()
        await self.client.aclose()


async def piped(client: Redis, commands: Sequence[Command]) -> list[Any]:
    """Return one server's replies in order, errors among them."""
    async with client.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        return replies


def checked(replies: Sequence[Any]) -> Sequence[Any]:
    """Return the replies; raise the first error among them."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies
