"""The secrets that sign customers' tokens, in one hash of Redis: id -> JSON. The newest signs, all of them verify."""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from rules.errors import StateError
from state.connect import Link
from state.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET_BYTES = 32
"""As many as SHA-256 gives (RFC 7518, section 3.2)."""

LONGEST_TTL_MS = 3_600_000
"""How long a token may last."""

_FIRST = "first"


class TokenSecret(NamedTuple):
    """One secret; `created_ms` is UTC milliseconds."""

    id: str
    secret: bytes
    created_ms: int


class TokenSecrets:
    """The secrets of one app, in Redis."""

    def __init__(self, url: str, app: str, *, patience_s: float) -> None:
        """Read the address; nothing is sent yet. `patience_s` is how long a Redis that is away is waited for."""
        self._link = Link(url, patience_s)
        self._place = Keys(app).token_secrets

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def all(self) -> list[TokenSecret]:
        """Return them, the newest last; raises `ServiceError`."""
        rows = await self._ask("read the secrets of tokens", "HGETALL", self._place)
        return sorted(map(_row, rows.keys(), rows.values()), key=lambda row: (row.created_ms, row.id))

    async def have(self, now_ms: int) -> list[TokenSecret]:
        """Return them, and make the first one where there is none: two who do so at once get the same one."""
        if not (found := await self.all()):
            await self._ask("make a secret for tokens", "HSETNX", self._place, _FIRST, _new(now_ms))
            found = await self.all()
        return found

    async def rotate(self, now_ms: int, keep_ms: int) -> None:
        """Make a new one that signs from now on.

        One that was superseded `keep_ms` ago or longer verifies no more; with 0, none but the new one does.
        """
        rows: Sequence[TokenSecret] = await self.all()
        newer = [row.created_ms for row in rows[1:]] + [now_ms]
        name = secrets.token_hex(4)
        await self._ask("make a secret for tokens", "HSET", self._place, name, _new(now_ms))
        old = [row.id for row, superseded_ms in zip(rows, newer, strict=False) if superseded_ms + keep_ms <= now_ms]
        if old:
            await self._ask("forget secrets of tokens", "HDEL", self._place, *old)

    async def _ask(self, what: str, *command: str | bytes) -> Any:
        return await self._link.patiently(what, lambda: self._link.execute(*command))


def _new(now_ms: int) -> bytes:
    secret = base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return orjson.dumps({"secret": secret, "created_ms": now_ms})


def _row(name: bytes, data: bytes) -> TokenSecret:
    try:
        row = orjson.loads(data)
        return TokenSecret(name.decode(), base64.b64decode(row["secret"], validate=True), int(row["created_ms"]))
    except (ValueError, KeyError, TypeError) as error:
        message = (
            f"the secret {name.decode(errors='replace')!r} of tokens cannot be read ({error!r}): remove the hash that "
            "has it, and a new one is made"
        )
        raise StateError(message) from error
