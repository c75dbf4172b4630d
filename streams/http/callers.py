"""How a request to lookup or the stream says who asks: a read key or a token in the header, or `?token=`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.http.caller import Caller
from streams.http.keyring import key_in_header
from streams.http.tokens import looks_like_one

if TYPE_CHECKING:
    from starlette.requests import Request

    from streams.http.keyring import KeyRing
    from streams.http.tokens import Tokens


class Callers:
    """Tells who asks."""

    def __init__(self, keys: KeyRing, tokens: Tokens) -> None:
        """Ask nothing yet."""
        self._keys = keys
        self._tokens = tokens

    async def of(self, request: Request) -> Caller:
        """Return who asks; with an `Authorization` header it alone counts.

        Raises `HttpError`: 401 for nobody, 403 for a token that does not open this route, 503 where that cannot be
        known.
        """
        header = request.headers.get("authorization")
        given = key_in_header(header) if header is not None else request.query_params.get("token")
        # a key in a URL would be in every log on its way: there only tokens count
        if given and (header is None or looks_like_one(given)):
            caller = await self._tokens.caller(given)
            caller.require_route(request.scope["route"].path)
            return caller
        row = await self._keys.check(given, "read")
        return Caller(row.name, row.fingerprint)
