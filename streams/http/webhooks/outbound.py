"""The way out: one POST to a URL that somebody else chose, bounded in every respect.

The address that is connected to is judged where the socket for it is made, which nothing passes by: neither a name that
leads elsewhere the second time, nor an address that stands in the URL and is never looked up. No redirect is followed,
no proxy of the environment is used, no cookie kept, and a certificate is always verified.

A connection is used again by later attempts to the same scheme, host and port, for a few seconds. That is no way around
the guard: a connection has one peer for all its life, and that one was judged. What an address is allowed by are
settings, and those stay as they are while a process lives. Nor do answers mix: a connection on which anything is left
unread is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp

from streams.http.webhooks.addresses import AddressRefused
from streams.http.webhooks.attempt import ATTEMPT_S, SHOWN_BYTES
from streams.http.webhooks.lookup import Judged, Lookup

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from aiohttp.abc import AbstractResolver
    from yarl import URL

    from streams.http.webhooks.addresses import AddressGuard
    from streams.http.webhooks.attempt import Failure

USER_AGENT = f"segue/{version('segue')}"

_BODY_S = 1.0
"""How much longer a body may take than the head before it: what counts is the status."""

_NAMES_S = 10
_KEPT_S = 4.0  # servers close idle connections after 5 s or more; a POST that meets that moment would fail
_MOST_HEADERS = 100
_MOST_HEADER_BYTES = 8_190


class Reply(NamedTuple):
    """What came back: `body` is the first KiB of it at most."""

    status: int
    retry_after: str | None
    body: bytes


class NoReplyError(Exception):
    """Nothing came back; the text is for people."""

    def __init__(self, failure: Failure, text: str) -> None:
        """Keep the word for it apart from the text."""
        self.failure: Failure = failure
        super().__init__(text)


class Outbound:
    """A client of other people's servers; a context manager."""

    def __init__(
        self, guard: AddressGuard, *, resolver: AbstractResolver | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """Connect to nothing yet.

        Parameters
        ----------
        resolver
            Who knows addresses of names, the system's where None; its answers are judged.
        tls
            Whose certificates are believed, as the system says where None (`SSL_CERT_FILE` names another list).
        """
        self._guard = guard
        self._resolver = Judged(resolver or Lookup(), guard)
        self._tls = tls or ssl.create_default_context()
        self._open: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make the pool of connections."""
        connector = aiohttp.TCPConnector(
            resolver=self._resolver,
            socket_factory=self._socket,
            ssl=self._tls,
            limit=0,  # who sends bounds how many are under way; waiting for each other here would couple endpoints
            keepalive_timeout=_KEPT_S,
            ttl_dns_cache=_NAMES_S,
        )
        self._open = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None),
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=("Accept-Encoding",),
            auto_decompress=False,  # 1 KiB may unpack to a megabyte
            trust_env=False,
            read_bufsize=2 * SHOWN_BYTES,
            max_line_size=_MOST_HEADER_BYTES,
            max_field_size=_MOST_HEADER_BYTES,
            max_headers=_MOST_HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._open is not None:
            await self._open.close()

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes, *, within_s: float = ATTEMPT_S) -> Reply:
        """Send a body and return what comes back, whatever its status; raises `NoReplyError`."""
        assert self._open is not None, "it is entered first"  # noqa: S101 - a use of ours
        deadline_s = asyncio.get_running_loop().time() + within_s
        try:
            async with asyncio.timeout_at(deadline_s):
                answer = await self._open.post(url, data=body, headers=headers, allow_redirects=False)
        except TimeoutError:
            raise _late(within_s) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error
        async with answer:
            return Reply(answer.status, answer.headers.get("Retry-After"), await _beginning(answer, deadline_s))

    def _socket(self, found: aiohttp.AddrInfoType) -> socket.socket:
        """Return a socket for the address that is connected to next; raises `AddressRefused`."""
        family, kind, protocol, _, address = found
        self._guard.check(str(address[0]))
        return socket.socket(family, kind, protocol)


def _late(within_s: float) -> NoReplyError:
    return NoReplyError("timeout", f"no answer within {within_s:g} s")


async def _beginning(answer: aiohttp.ClientResponse, deadline_s: float) -> bytes:
    """Return the first KiB of a body, less where no more comes; a connection with more on it is then closed."""
    body = b""
    until_s = min(deadline_s, asyncio.get_running_loop().time() + _BODY_S)
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout_at(until_s):
            while len(body) < SHOWN_BYTES and (more := await answer.content.read(SHOWN_BYTES - len(body))):
                body += more
    return body


def _failure(error: aiohttp.ClientError | OSError) -> NoReplyError:
    """Return what failed, in words that show nothing of a URL's path or of headers."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, AddressRefused):
        return NoReplyError("address", str(cause))
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return NoReplyError("name", f"{error.host}: its address cannot be looked up: {_said(cause)}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return NoReplyError("tls", f"its certificate is not to be believed: {error.certificate_error}")
    if isinstance(error, aiohttp.ClientSSLError):
        return NoReplyError("tls", f"no TLS with it: {_said(cause)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NoReplyError("refused", f"{error.host}:{error.port} takes no connection: {_said(cause)}")
    if isinstance(error, aiohttp.ClientResponseError):
        return NoReplyError("broken", f"what it answers is no HTTP: {error.message[:200]}")
    return NoReplyError("broken", f"the connection broke: {_said(error)}")


def _said(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
