"""The endpoints in memory: read every second, and told how they are doing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Final

from rules.errors import SegueError
from state.webhooks.endpoints import UnknownEndpoint
from streams.http.webhooks.clock import soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from state.webhooks.endpoints import Endpoint, Endpoints
    from streams.http.webhooks.post import Post

log = logging.getLogger(__name__)

REFRESH_S: Final = 1.0
"""How late a change of an endpoint may be noticed. None is missed by that: a record says where its reading begins."""


class Directory:
    """All endpoints of the app as Redis last told them, each with a `Post`."""

    def __init__(self, endpoints: Endpoints, make: Callable[[Endpoint], Post]) -> None:
        """Know none yet; `make` opens the post of an endpoint."""
        self.posts: dict[str, Post] = {}
        self._endpoints = endpoints
        self._make = make
        self._soon = asyncio.Event()
        self._lock = asyncio.Lock()
        self._listeners: set[asyncio.Event] = set()

    @contextlib.contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Yield an event that is set whenever an endpoint came, changed or went."""
        event = asyncio.Event()
        self._listeners.add(event)
        try:
            yield event
        finally:
            self._listeners.discard(event)

    async def keep(self) -> None:
        """Read, and write how endpoints are doing, every second without end."""
        said = ""
        while True:
            self._soon.clear()
            try:
                await self.save()
                await self.refresh()
                said = ""
            except SegueError as error:
                if str(error) != said:
                    log.warning("%s; trying again", error)
                said = str(error)
            await soon(self._soon, REFRESH_S)

    def hurry(self) -> None:
        """Have it done at once."""
        self._soon.set()

    async def refresh(self) -> None:
        """Read all endpoints anew; raises `ServiceError`."""
        async with self._lock:
            rows = {endpoint.id: endpoint for endpoint in await self._endpoints.all()}
            before = {identity: post.endpoint for identity, post in self.posts.items()}
            for identity in set(before) - set(rows):
                del self.posts[identity]
            for identity, endpoint in rows.items():
                if identity not in self.posts:
                    self.posts[identity] = self._make(endpoint)
                elif endpoint != before[identity]:
                    self.posts[identity].adopt(endpoint)
        if rows != before:
            self._tell()

    async def save(self) -> None:
        """Write how endpoints are doing where their records do not say so; raises `ServiceError`."""
        for identity, post in list(self.posts.items()):
            if post.unsaved:
                with contextlib.suppress(UnknownEndpoint):
                    async with self._lock:
                        post.saved(await self._endpoints.change(identity, post.edit))
                    if not post.endpoint.enabled:
                        log.warning("endpoint %s is disabled: %s", identity, post.endpoint.disabled)
                    self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()
