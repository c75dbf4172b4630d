"""Who may come in: the keys in memory, so that ingest outlives Redis.

A key that is known is let in whatever Redis does. One that is not known is refused only by an answer of Redis that
was asked for after the key came: to an SDK a 401 is final, and somebody may just have made that key. Where Redis does
not answer, that is a 503.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from typing import TYPE_CHECKING

from state.access import digest_of, find
from streams.http.errors import HttpError, later
from streams.http.remembered import Remembered
from streams.tasks import end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from state.access import AccessKey, Kind

log = logging.getLogger(__name__)

REFRESH_S = 2.0
"""How long a revoked key may still be let in while Redis answers."""

_LONGEST_KEY = 256
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="segue"'}


class KeyRing:
    """All keys of the app as Redis last told them."""

    def __init__(self, load: Callable[[], Awaitable[Sequence[AccessKey]]]) -> None:
        """Know none yet; `load` asks Redis and raises `SegueError` where it does not answer."""
        self._rows: Remembered[Sequence[AccessKey]] = Remembered(load, ())

    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        """Ask Redis every two seconds for as long as the context lasts."""
        task = asyncio.create_task(self._refresh())
        try:
            yield
        finally:
            await end(task)

    async def check(self, presented: str | None, kind: Kind) -> AccessKey:
        """Return the key that was presented, where it is one of this kind.

        Raises `HttpError`: 401 for none or a wrong one, 503 where that cannot be known.
        """
        if not presented or len(presented) > _LONGEST_KEY:
            raise _refusal(kind, "no key was given" if not presented else "this is no key")
        digest = digest_of(presented)
        row = find(digest, self._rows.value)
        if row is None:
            await self._ask_anew()
            row = find(digest, self._rows.value)
        if row is None:
            raise _refusal(kind, "no such key, or it was revoked")
        if row.kind != kind:
            raise _refusal(kind, f"this is {_named(row.kind)}")
        return row

    def knows(self, name: str, fingerprint: str) -> bool:
        """Whether the key of this name and fingerprint was there when Redis last told."""
        return any(row.name == name and row.fingerprint == fingerprint for row in self._rows.value)

    async def still_has(self, name: str, fingerprint: str) -> bool:
        """Whether the key of this name and fingerprint is there; raises `HttpError` (503) where that is not known."""
        if not self.knows(name, fingerprint):
            await self._ask_anew()
        return self.knows(name, fingerprint)

    async def _ask_anew(self) -> None:
        if not await self._rows.anew():
            raise later(503, "keys_unchecked", "keys cannot be checked now: their store does not answer; come again")

    async def _refresh(self) -> None:
        failing = False
        while True:
            try:
                await self._ask_anew()
                failing = False
            except HttpError:
                if not failing:
                    log.warning("the keys cannot be read: known ones are let in, others wait")
                failing = True
            await asyncio.sleep(REFRESH_S)


def key_in_header(header: str) -> str | None:
    """Return the key of an `Authorization` header: a Bearer token, or Basic's user name with an empty password."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, UnicodeDecodeError):
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
            return None if password else user
    return None


def _refusal(kind: Kind, what: str) -> HttpError:
    message = f"{what}; send {_named(kind)} as Basic user name with an empty password, or as Bearer token"
    return HttpError(401, "wrong_key", message, headers=_CHALLENGE)


def _named(kind: Kind) -> str:
    return f"{'an' if kind == 'admin' else 'a'} {kind} key"
