"""Customer ids in paths: percent-encoded, whatever they hold, slashes included.

A server hands on paths decoded, and then `a%2Fexplain` looks like `a/explain`, and `a%2F` like `a`. So below
`/v1/customers/` routes are looked for in the path as it was sent, and the id alone is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote_to_bytes

from fastapi import Depends, Path

from streams.http.errors import HttpError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_BELOW = "/v1/customers/"


class QuotedIds:
    """The layer that has routes below `/v1/customers/` matched against the path as it was sent."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] == "http" and scope["path"].startswith(_BELOW):
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await self._app(scope, receive, send)


async def customer_id(
    quoted: Annotated[str, Path(alias="id", min_length=1, description="The customer: userId, else anonymousId.")],
) -> str:
    """Return the id that a path names; raises `HttpError` (400) where it is no text."""
    try:
        return unquote_to_bytes(quoted.encode("latin-1")).decode()
    except UnicodeError:
        raise HttpError(400, "bad_id", "the id is not percent-encoded UTF-8", path="id") from None


CustomerId = Annotated[str, Depends(customer_id)]
"""What a route takes for the id in its path."""
