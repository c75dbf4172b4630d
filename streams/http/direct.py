"""The way past the framework for routes that are asked thousands of times a second.

FastAPI looks for a route one by one, opens two exit stacks and resolves dependencies: three quarters of what a single
event costs. A route that reads its request by hand needs none of that. It is a route of FastAPI all the same, for its
OpenAPI, its 405 and the like; here its POST is found by its path and called, or its GET without a query by the path up
to an id (`/v1/customers/{id}`).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

from starlette.requests import Request

from streams.http.errors import HttpError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    Handler = Callable[[Request], Awaitable[Response]]

ID = "/{id}"


class Direct:
    """The layer right around FastAPI."""

    def __init__(self, app: ASGIApp, handlers: Mapping[str, Handler]) -> None:
        """Wrap an app; `handlers` has what POST to a path, or GET of a path that ends in `{id}`, calls; it may grow."""
        self._app = app
        self._handlers = handlers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it."""
        path = _template(scope) if scope["type"] == "http" else None
        handler = None if path is None else self._handlers.get(path)
        if handler is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = SimpleNamespace(path=path)
        scope["path_params"] = {"id": scope["path"].rpartition("/")[2]}
        try:
            answer = await handler(Request(scope, receive, send))
        except HttpError as error:
            answer = error.answer()
        await answer(scope, receive, send)


def _template(scope: Scope) -> str | None:
    """Return the path by which a request's handler is known."""
    path: str = scope["path"]
    if scope["method"] == "POST":
        return None if path.endswith(ID) else path
    above, _, last = path.rpartition("/")
    return above + ID if scope["method"] == "GET" and last and not scope["query_string"] else None
