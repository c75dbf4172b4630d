"""Tokens: what a page is given in place of a read key. A token is one customer's, for an hour at most.

It is a JWT (RFC 7519), signed with HS256. It names the read key that asked for it, and ends with that key.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import jwt

from streams.http.caller import Caller
from streams.http.errors import HttpError, later
from streams.http.remembered import Remembered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from state.token_secrets import TokenSecret
    from streams.http.keyring import KeyRing

LONGEST_TOKEN = 8 * 1024
"""Characters."""

_ALGORITHM = "HS256"
_REFRESH_S = 2.0
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="segue", error="invalid_token"'}
_OPTIONS: Any = {
    "require": ["iss", "sub", "iat", "exp", "key", "fingerprint"],
    "verify_exp": False,  # looked at apart: a token that has ended is another error
    "verify_iat": False,
}


class Tokens:
    """Signs and verifies; its secrets are cached, so that tokens outlive Redis as keys do."""

    def __init__(
        self,
        app_id: str,
        load: Callable[[], Awaitable[Sequence[TokenSecret]]],
        keys: KeyRing,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """Know no secret yet; `load` asks Redis and raises `SegueError` where it does not answer."""
        self.now_s = now_s
        self._issuer = f"segue/{app_id}"
        self._keys = keys
        self._secrets: Remembered[Sequence[TokenSecret]] = Remembered(load, ())
        self._refreshed_s = -_REFRESH_S

    async def issue(self, caller: Caller, customer: str, ttl_ms: int) -> tuple[str, int]:
        """Return a token and when it ends, UTC seconds; raises `HttpError` (503) where no secret can be had."""
        await self._refresh()
        if not self._secrets.value:
            raise _unchecked()
        newest = self._secrets.value[-1]
        now_s = int(self.now_s())
        ends_s = now_s + max(1, ttl_ms // 1_000)
        claims = {
            "iss": self._issuer,
            "sub": customer,
            "iat": now_s,
            "exp": ends_s,
            "key": caller.key,
            "fingerprint": caller.fingerprint,
        }
        return jwt.encode(claims, newest.secret, _ALGORITHM, {"kid": newest.id}), ends_s

    async def caller(self, token: str) -> Caller:
        """Return whom a token lets in.

        Raises `HttpError`: 401 for one that is wrong, has ended, or whose key was revoked; 503 where that cannot be
        known.
        """
        if len(token) > LONGEST_TOKEN:
            raise _wrong()
        claims = self._verified(token, await self._secret_of(token))
        if claims["exp"] <= self.now_s():
            raise HttpError(401, "token_expired", "this token has ended; get another one", headers=_CHALLENGE)
        if not await self._keys.still_has(claims["key"], claims["fingerprint"]):
            raise HttpError(401, "wrong_token", "the key that asked for this token was revoked", headers=_CHALLENGE)
        return Caller(claims["key"], claims["fingerprint"], claims["sub"], claims["exp"])

    async def _secret_of(self, token: str) -> bytes:
        try:
            name = jwt.get_unverified_header(token).get("kid")
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _wrong() from None
        await self._refresh()
        if (secret := self._find(name)) is None:
            if not await self._secrets.anew():
                raise _unchecked()
            secret = self._find(name)
        if secret is None:
            raise _wrong()
        return secret

    def _find(self, name: object) -> bytes | None:
        return next((row.secret for row in self._secrets.value if row.id == name), None)

    def _verified(self, token: str, secret: bytes) -> dict[str, Any]:
        try:
            return jwt.decode(token, secret, [_ALGORITHM], _OPTIONS, issuer=self._issuer)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _wrong() from None

    async def _refresh(self) -> None:
        now_s = time.monotonic()
        if now_s - self._refreshed_s > _REFRESH_S:
            self._refreshed_s = now_s
            await self._secrets.anew()


def looks_like_one(text: str) -> bool:
    """Whether what was given is a token, right or wrong, and no key."""
    return text.count(".") == 2  # noqa: PLR2004 - between a JWT's three parts; a key has none


def _wrong() -> HttpError:
    return HttpError(401, "wrong_token", "this is no token of this app, or it was changed", headers=_CHALLENGE)


def _unchecked() -> HttpError:
    return later(503, "keys_unchecked", "tokens cannot be checked now: their store does not answer; come again")
