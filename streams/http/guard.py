"""What the server does before there is a request: the head of one is bounded in size and time, connections in number.

uvicorn bounds neither with httptools: a client that sends headers for ever would be given memory for ever, and one
that sends none would keep its connection. Each bound here costs a comparison.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from streams.http.connection import EXTENSION, Connection
from streams.http.errors import flat
from streams.http.outgoing import Outgoing

if TYPE_CHECKING:
    import asyncio
    from asyncio import TimerHandle

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

MAX_HEAD_BYTES = 65_536
"""Of a request's line and headers (trailers too)."""

LINGER_S = 2.0
"""How long the rest of a body is read past an answer that came before its end. Closing at once would reset the
connection, and an SDK that is still sending would see a broken network in place of its 401."""


class Guard(HttpToolsProtocol):
    """One connection. Made by `guard`, which gives it its bounds."""

    most_connections: ClassVar[int] = 1_000
    head_s: ClassVar[float] = 10.0

    def __init__(self, *words: Any, **options: Any) -> None:
        """Begin with nothing received."""
        super().__init__(*words, **options)
        self._head_bytes = 0
        self._silent_bytes = 0
        self._deadline: TimerHandle | None = None
        self._connection = Connection()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Take the connection, or turn it away where there are too many."""
        super().connection_made(Outgoing(transport, self.loop))
        self._connection = Connection(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(503, "too_many_connections", "too many connections; come again", retry=True)
        else:
            self._arm(self.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._disarm()
        super().connection_lost(exc)
        self._connection.lost()

    def shutdown(self) -> None:
        """Close it where nothing is under way, and tell an answer without end to end."""
        super().shutdown()
        self._connection.stopping()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count what led to nothing."""
        self._silent_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._silent_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        elif self._deadline is None and self._idle():
            self._arm(self.head_s)

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop the clock: the head is there."""
        self._silent_bytes = 0
        self._disarm()
        self.scope["extensions"] = {EXTENSION: self._connection}  # type: ignore[dict-item]  # they are dicts elsewhere
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Begin anew: a body is counted, and timed, by who reads it."""
        self._silent_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin anew: what comes next has its own time."""
        self._silent_bytes = 0
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Read what is left of the body for a moment, then close."""
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._arm(LINGER_S)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, flat."""
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            self._refuse(400, "bad_http", msg)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise ValueError  # the parser stops at it, and `send_400_response` says why

    def _idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self._idle():
            self.transport.close()

    def _refuse_head(self) -> None:
        self._refuse(431, "head_too_large", f"the request line and headers have more than {MAX_HEAD_BYTES} bytes")

    def _refuse(self, status: int, code: str, message: str, *, retry: bool = False) -> None:
        if self._idle():  # else an answer is being written
            answer = flat(
                status, code, message, headers={"connection": "close"} | ({"retry-after": "1"} if retry else {})
            )
            lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode())]
            lines += [b"%s: %s" % header for header in answer.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()


def guard(most_connections: int, head_s: float) -> type[Guard]:
    """Return the protocol with these bounds."""
    return type("Guard", (Guard,), {"most_connections": most_connections, "head_s": head_s})
