"""One client of the stream, as the hub sees it: where it is in the ring, and why it ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.http.caller import Caller
    from streams.http.stream.position import Position
    from streams.http.stream.wanted import Wanted

    Ending = Literal["gone", "slow", "stopping", "expired", "revoked", "turn", "reset", "failed"]


class Subscriber:
    """It holds no events: `cursor` is the number of the ring's batch that it gets next.

    `own` is where it stands while that is not where the hub stands; its events then have ids of their own.
    """

    __slots__ = (
        "_waiter",
        "abort",
        "blocked_since_s",
        "caller",
        "cursor",
        "due",
        "ending",
        "gone",
        "number",
        "on_end",
        "own",
        "told",
        "waiting",
        "wanted",
    )

    def __init__(self, wanted: Wanted, caller: Caller | None = None) -> None:
        """Ask for these changes; the hub says from where on."""
        self.wanted = wanted
        self.caller = caller
        self.number = self.cursor = 0
        self.own: Position | None = None
        self.told = b""
        self.due = False
        self.waiting = False
        self.blocked_since_s: float | None = None
        self.ending: Ending | None = None
        self.gone = False
        self.on_end: Callable[[], None] | None = None
        self.abort: Callable[[], None] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def lost(self) -> None:
        """Hear that its connection is no more."""
        self.gone = True
        self.abort = None
        self.end("gone")

    def stopping(self) -> None:
        """Hear that the server stops."""
        self.end("stopping")

    def end(self, why: Ending) -> None:
        """Have it end; the first reason counts. One that takes nothing just now is cut off."""
        self.ending = self.ending or why
        if self.abort is not None and (self.ending == "slow" or self.blocked_since_s is not None):
            abort, self.abort = self.abort, None
            abort()
        if self.on_end is not None:
            self.on_end()
        self.wake()

    def wake(self) -> None:
        """Have it look again."""
        self.waiting = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def lost_for_good(self) -> None:
        """Wait until its connection, which was broken off, is no more."""
        while not self.gone:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def woken(self) -> None:
        """Wait until there is something for it."""
        if self.ending is None:
            self.waiting = True
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
