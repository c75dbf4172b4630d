"""The app, and before all of its layers the requests that need none of them.

What `streams.http.direct` answers comes with a key in a header, by a path as it is documented, and mostly from a
server: no page's origin to look at, no slash too many. Layers that each look and pass it on are half of the work that
is left of it then.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.requests import Request

from streams.http.direct import ID
from streams.http.errors import HttpError, internal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from streams.http.direct import Handler
    from streams.http.parts import HttpParts


class Front(FastAPI):
    """A FastAPI app whose direct handlers are asked first, where a request is as plain as that."""

    def __init__(self, parts: HttpParts, **options: Any) -> None:
        """Make the app; `parts` has the handlers, and they may grow."""
        super().__init__(**options)
        self._parts = parts
        self._pages = bool(parts.settings.http_origins)
        self._routes: dict[str, SimpleNamespace] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = _template(scope) if scope["type"] == "http" else None
        handler = None if path is None else self._parts.direct.get(path)
        if path is None or handler is None or self._needs_layers(scope):
            await super().__call__(scope, receive, send)
        else:
            await self._answer(handler, path, scope, receive, send)

    def _needs_layers(self, scope: Scope) -> bool:
        return scope["path"] in self._parts.gates or (
            self._pages and any(name == b"origin" for name, _ in scope["headers"])
        )

    async def _answer(self, handler: Handler, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = time.perf_counter(), 500
        scope["route"] = self._routes.get(path) or self._routes.setdefault(path, SimpleNamespace(path=path))
        if path.endswith(ID):
            scope["path_params"] = {"id": scope["raw_path"].decode("latin-1").rpartition("/")[2]}
        try:
            try:
                answer = await handler(Request(scope, receive, send))
            except HttpError as error:
                answer = error.answer()
            except Exception:
                await internal()(scope, receive, send)
                raise  # for the server to log it
            status = answer.status_code
            await answer(scope, receive, send)
        finally:
            self._parts.metrics.observe(path, scope["method"], status, time.perf_counter() - begun)


def _template(scope: Scope) -> str | None:
    """Return the path by which a plain request's handler is known.

    An id is looked for in the path as it was sent, where it may hold slashes.
    """
    if scope["method"] == "POST":
        path: str = scope["path"]
        return None if path.endswith(ID) else path
    if scope["method"] != "GET" or scope["query_string"]:
        return None
    above, _, last = scope["raw_path"].decode("latin-1").rpartition("/")
    return above + ID if last else None
