"""One connection that many commands share: each goes out at once, and replies come back in order.

A lookup reads one key, a thousand times a second; so often do eight partitions commit where events come singly.
redis-py lends each command a connection of its own, with a stream, a retry and its measures around it: twice as much
work as all of the rest of a lookup, and as all of the rest of a small commit. Here redis-py connects (TLS, users,
databases), and hiredis packs and parses; between them is nothing but a queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import Context
from typing import TYPE_CHECKING, Any

import hiredis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio.connection import AbstractConnection


class Shared:
    """A lane that many share, for reads or for calls of scripts: made when it is needed, and anew when it was lost."""

    def __init__(self, connection_of: Callable[[], AbstractConnection]) -> None:
        """Send nothing yet; `connection_of` makes a connection of redis-py's that is not open yet."""
        self._connection_of = connection_of
        self._lane: Lane | None = None
        self._opening: asyncio.Task[Lane] | None = None
        self._closed = False

    async def execute(self, limit_s: float, *command: str | bytes | int) -> Any:
        """Return the reply to a command; without one, nobody knows whether it was done.

        Raises redis-py's errors: what the server says, `ConnectionError` where the connection is lost, `TimeoutError`
        where there is no reply within `limit_s`, or no connection.
        """
        lane = self._lane
        if lane is None or lane.lost:
            lane = await self._open(limit_s)
        return await lane.ask(hiredis.pack_command(command), limit_s)  # type: ignore[arg-type]  # as many as there are

    async def aclose(self) -> None:
        """Close the connection for good; what is under way fails."""
        self._closed = True
        await self.forget()

    async def forget(self) -> None:
        """Give up the connection; what is under way fails."""
        if (opening := self._opening) is not None:
            opening.cancel()
            await asyncio.wait([opening])
        if self._lane is not None:
            self._lane.end()

    async def _open(self, limit_s: float) -> Lane:
        """Return an open lane: one is opened, however many wait for it."""
        if self._closed:
            message = "the connection was closed"
            raise RedisConnectionError(message)
        if self._opening is None:
            # in a context of its own: the connection is everybody's, and not of the task that asked first
            self._opening = asyncio.create_task(self._connect(limit_s), context=Context())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, opening: asyncio.Task[Lane]) -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # those who still wait hear of it; there may be none

    async def _connect(self, limit_s: float) -> Lane:
        connection = self._connection_of()
        try:
            async with asyncio.timeout(limit_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException as error:
            connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001 - at once; it waits for nothing
            if isinstance(error, TimeoutError):
                message = f"no connection within {limit_s:g} s"
                raise RedisTimeoutError(message) from error
            raise
        self._lane = Lane(connection)
        return self._lane


class Lane(asyncio.Protocol):
    """An open connection of redis-py's, taken over: nothing else may use it from now on."""

    def __init__(self, connection: AbstractConnection) -> None:
        """Take it over."""
        self.lost = False
        self._loop = asyncio.get_running_loop()
        self._connection = connection  # which would close itself where nobody had it
        transport: Any = connection._writer.transport  # type: ignore[union-attr]  # noqa: SLF001 - nowhere else
        self._transport: asyncio.Transport = transport
        self._transport.set_protocol(self)
        self._parser = hiredis.Reader(replyError=connection._parser.parse_error)  # noqa: SLF001 - errors as elsewhere
        self._asked: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, command: bytes, limit_s: float) -> asyncio.Future[Any]:
        """Return what will have the reply to a packed command; commands of one turn of the loop go out together."""
        future = self._loop.create_future()
        due_s = self._loop.time() + limit_s
        self._asked.append((future, due_s))
        if len(self._asked) == 1:  # nothing to wait for
            self._transport.write(command)
        else:
            if not self._unsent:
                self._loop.call_soon(self._send)
            self._unsent.append(command)
        if self._timer is None:
            self._timer = self._loop.call_at(due_s, self._look)
        return future

    def end(self) -> None:
        """Close it; what is under way fails."""
        self._lose(RedisConnectionError, "the connection was closed")

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that came."""
        try:
            self._parser.feed(data)
            while (reply := self._parser.gets()) is not False:
                future, _ = self._asked.popleft()
                if future.done():  # whoever asked was cancelled
                    continue
                if isinstance(reply, RedisError):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:  # or a reply that nobody asked for
            self._lose(RedisConnectionError, f"this is no reply: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell those who wait."""
        self._lose(RedisConnectionError, str(exc or "the server closed the connection"))

    def _send(self) -> None:
        commands, self._unsent = self._unsent, []
        if not self.lost:
            self._transport.write(b"".join(commands))

    def _look(self) -> None:
        """Give the connection up where its oldest command is overdue: what came after it waits behind it."""
        self._timer = None
        if not self._asked:
            return
        _, due_s = self._asked[0]
        if due_s > self._loop.time():
            self._timer = self._loop.call_at(due_s, self._look)
        else:
            self._lose(RedisTimeoutError, "no reply in time")

    def _lose(self, kind: type[RedisConnectionError | RedisTimeoutError], why: str) -> None:
        if self.lost:
            return
        self.lost = True
        if self._timer is not None:
            self._timer.cancel()
        # `disconnect` would wait for a protocol that is no longer its own
        self._connection._close()  # type: ignore[no-untyped-call]  # noqa: SLF001
        self._transport.abort()
        asked, self._asked = self._asked, deque()
        for future, _ in asked:
            if not future.done():
                future.set_exception(kind(why))
