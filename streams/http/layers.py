"""The layers that each request passes before it meets a route."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response

from streams.http.errors import JSON, flat

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import ASGIApp, Receive, Scope, Send

_OK = 200


class TrailingSlash:
    """Take `/v1/batch/` for `/v1/batch`: a redirect would be a 3xx, which SDKs take for delivered."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"] != "/":
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class Cors(CORSMiddleware):
    """Let pages of the configured origins in; the answers to what browsers ask beforehand are JSON too."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a browser's question whether it may send."""
        answer = super().preflight_response(request_headers)
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        if answer.status_code == _OK:
            return Response(orjson.dumps({"success": True}), _OK, headers, JSON)
        found = bytes(answer.body).decode()
        if self.is_allowed_origin(request_headers["origin"]):
            code, remedy = "bad_preflight", "the headers of this answer list which methods and headers a page may use"
        else:
            code, remedy = "bad_origin", "SEGUE_HTTP_ORIGINS lists the origins that may"
        return flat(answer.status_code, code, f"{found}; {remedy}", headers=headers)
