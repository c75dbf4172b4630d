"""One client's stream, from its first line to its end."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from starlette.responses import Response

from rules.errors import ServiceError
from streams.http.connection import connection_of
from streams.http.errors import HttpError, later
from streams.http.stream.subscriber import Subscriber

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from streams.http.caller import Caller
    from streams.http.connection import Connection
    from streams.http.stream.live import Live, Missed
    from streams.http.stream.position import Position
    from streams.http.stream.wanted import Chosen, Wanted

EVENT_STREAM = "text/event-stream"
OPENING_S = 10.0
"""How long a client may wait for the broker, and for its turn to catch up."""

TURN_S = 30.0
"""How long one may catch up before it is another's turn: it comes back, and goes on from there."""

KERNEL_BYTES = 128 * 1024
_RETRY_MS = (1_000, 3_000)
"""After which a client comes back: not all at once."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events until it has a page of them
]


class StreamAnswer(Response):
    """Is written for as long as the client listens. What keeps it from beginning is a flat error."""

    def __init__(self, live: Live, wanted: Wanted, caller: Caller, position: Position | None) -> None:
        """Write nothing yet; with a position, go on from there."""
        super().__init__(media_type=EVENT_STREAM)
        self._live = live
        self._subscriber = Subscriber(wanted, caller)
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write it."""
        connection = connection_of(scope)
        connection.watcher = self._subscriber
        try:
            await self._serve(connection, scope, send)
        except HttpError as error:
            self._live.metrics.refused.labels(error.code).inc()
            await error.answer(closing=True)(scope, receive, send)
        finally:
            connection.watcher = None

    async def _serve(self, connection: Connection, scope: Scope, send: Send) -> None:
        live, subscriber = self._live, self._subscriber
        with live.listening(subscriber):
            async with contextlib.AsyncExitStack() as reading:
                missed = await self._open(reading)
                first = live.hub.id if self._position is None else self._position.text()
                connection.bound(KERNEL_BYTES)
                subscriber.abort = connection.abort
                subscriber.told = first
                scope["answered_s"] = time.perf_counter()
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                await self._write(send, b":\nretry: %d\nid: %b\n\n" % (random.randint(*_RETRY_MS), first))  # noqa: S311 - no secret
                if missed is not None:
                    await self._catch_up(missed, send)
            await self._go_on(send)
            if subscriber.ending == "slow":
                await subscriber.lost_for_good()
            elif not subscriber.gone:
                await send({"type": "http.response.body", "body": b""})

    async def _open(self, reading: contextlib.AsyncExitStack) -> Missed | None:
        """Have all that is needed to begin; return what memory does not have of what was missed."""
        subscriber = self._subscriber
        if subscriber.ending is not None:
            raise _stopping()
        try:
            async with asyncio.timeout(OPENING_S) as patience:
                subscriber.on_end = lambda: patience.reschedule(0)
                await self._live.begun()
                if self._position is not None:
                    return await self._live.resume(reading, subscriber, self._position)
                self._live.hub.attend(subscriber)
                return None
        except (TimeoutError, ServiceError):
            if subscriber.ending is not None:
                raise _stopping() from None
            raise later(503, "broker_away", "changes cannot be read now; come again", 2) from None
        finally:
            subscriber.on_end = None

    async def _catch_up(self, missed: Missed, send: Send) -> None:
        subscriber, clock = self._subscriber, asyncio.get_running_loop().time
        until_s = clock() + TURN_S
        try:
            async for piece in missed.pieces:
                await self._send(send, piece)
                if subscriber.ending is not None:
                    return
                if clock() > until_s:
                    subscriber.end("turn")
                    return
        except ServiceError:
            subscriber.end("failed")
            return
        self._live.hub.join(subscriber, missed.position)

    async def _go_on(self, send: Send) -> None:
        """Send what comes, until it ends."""
        subscriber, hub = self._subscriber, self._live.hub
        while subscriber.ending is None:
            found = hub.next(subscriber)
            if found is not None:
                if found.data:
                    await self._send(send, found)
            elif subscriber.due:
                subscriber.due = False
                await self._write(send, hub.pulse(subscriber))
            else:
                await subscriber.woken()

    async def _send(self, send: Send, piece: Chosen) -> None:
        await self._write(send, piece.data)
        self._live.metrics.sent.inc(piece.events)

    async def _write(self, send: Send, data: bytes) -> None:
        """Hand it to the server, which waits where the client takes nothing; whoever waits too long is cut off."""
        self._subscriber.blocked_since_s = asyncio.get_running_loop().time()
        await send({"type": "http.response.body", "body": data, "more_body": True})
        self._subscriber.blocked_since_s = None


def _stopping() -> HttpError:
    return later(503, "stopping", "the stream ended before it began; come again")
