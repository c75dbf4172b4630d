"""Routes that are closed while they are full: whoever comes is told so before the framework has any work with them.

A crowd of thousands that is refused one by one, each after its key was looked up, would keep those waiting who are
served.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from streams.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    Gate = Callable[[], None]


class Gates:
    """The layer that asks a path's gate first."""

    def __init__(self, app: ASGIApp, gates: Mapping[str, Gate]) -> None:
        """Wrap an app; `gates` has what raises `HttpError` while a path is closed; it may grow."""
        self._app = app
        self._gates = gates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or turn it away."""
        gate = self._gates.get(scope["path"]) if scope["type"] == "http" else None
        if gate is None:
            await self._app(scope, receive, send)
            return
        try:
            gate()
        except HttpError as error:
            scope["route"] = SimpleNamespace(path=scope["path"])
            await error.answer(closing=True)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
