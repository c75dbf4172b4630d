"""The server: uvicorn on a socket of ours, in whatever event loop runs, ended by whoever started it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from rules.errors import ServiceError
from streams.http.guard import guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.types import ASGIApp

    from streams.settings import Settings

KEEP_ALIVE_S = 30
_BACKLOG = 2_048
_FILES_BESIDE = 256
_POLL_S = 0.01


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: `streams.cli.frame` has ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Address(NamedTuple):
    """Where to listen, the settings that say so, and for how many connections at once."""

    host: str
    port: int
    named: str
    connections: int


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, settings: Settings, at: Address | None = None) -> AsyncIterator[str]:
    """Serve the app for as long as the context lasts; yields the URL. Without `at` it is the HTTP edges' address.

    Leaving it takes no more connections and waits until what was asked is answered.

    Raises
    ------
    ServiceError
        if the address cannot be had.
    """
    if at is None:
        named = "SEGUE_HTTP_HOST and SEGUE_HTTP_PORT"
        at = Address(settings.http_host, settings.http_port, named, settings.http_connections)
    _allow_files(at.connections + _FILES_BESIDE)
    bound = _bind(at)
    config = uvicorn.Config(
        app,
        http=guard(at.connections, settings.http_read_timeout / 1000),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # a URL may hold a key
        server_header=False,
        proxy_headers=False,  # behind a proxy, SEGUE_HTTP_PUBLIC_URL says what a page is told
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=-(-(settings.http_read_timeout + settings.http_ack_timeout) // 1000),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_POLL_S)
        host, port = bound.getsockname()[:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        server.should_exit = True
        await serving
        bound.close()


def _bind(at: Address) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            at.host, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        message = f"{at.host}:{at.port}: cannot serve HTTP there: {error.strerror}; set {at.named}"
        raise ServiceError(message) from error
    bound.setblocking(False)
    return bound


def _allow_files(wanted: int) -> None:
    """Raise the number of open files this process may have; the usual one is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
