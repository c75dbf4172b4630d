"""Addresses of names, for webhooks: judged, and looked up so that a name that hangs keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver, ResolveResult

from streams.http.webhooks.addresses import AddressRefused, refusal

if TYPE_CHECKING:
    from streams.http.webhooks.addresses import AddressGuard

_FLAGS = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Judged(AbstractResolver):
    """A resolver of whose answers those are left that may be connected to."""

    def __init__(self, inner: AbstractResolver, guard: AddressGuard) -> None:
        """Ask `inner`."""
        self._inner = inner
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses; raises `AddressRefused` where none may be connected to, else `OSError`."""
        found = await self._inner.resolve(host, port, family)
        judged = [(one, self._guard.why_not(one["host"])) for one in found]
        good = [one for one, kind in judged if kind is None]
        if not good and judged:
            one, kind = judged[0]
            raise AddressRefused(f"{host}: " + refusal(one["host"], str(kind)))
        return good

    async def close(self) -> None:
        """Close the inner one."""
        await self._inner.close()


class Lookup(AbstractResolver):
    """The system's resolver, a thread for each question.

    aiohttp's own asks in the loop's shared threads, of which there are few: some names that hang for half a minute
    would stop every other. aiohttp asks about a name once at a time, so there are no more threads than endpoints.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses; raises `OSError`."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def tell(found: list[ResolveResult], error: OSError | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def ask() -> None:
            found: list[ResolveResult] = []
            failed: OSError | None = None
            try:
                found = _addresses(host, port, family)
            except (OSError, UnicodeError) as error:
                failed = error if isinstance(error, OSError) else OSError(str(error))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(tell, found, failed)

        threading.Thread(target=ask, name=f"lookup {host}", daemon=True).start()
        return await answer

    async def close(self) -> None:
        """Do nothing: its threads end by themselves."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [
        {
            "hostname": host,
            "host": str(address[0]),
            "port": port,
            "family": kind,
            "proto": protocol,
            "flags": int(_FLAGS),
        }
        for kind, _, protocol, _, address in found
    ]
