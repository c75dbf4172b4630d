"""The keys that let callers in over HTTP: their digests, in one hash of Redis, name -> JSON.

A key itself is never stored: it has 256 random bits, so its plain SHA-256 can be neither guessed nor turned back.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import orjson

from rules.errors import SegueError, StateError
from state.connect import Link
from state.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["write", "read", "admin"]
_FINGERPRINT_CHARS = 16

KINDS: tuple[Kind, ...] = get_args(Kind)


class AccessKey(NamedTuple):
    """What is kept of one key: `digest` is its SHA-256, `created_ms` UTC milliseconds."""

    name: str
    kind: Kind
    digest: bytes
    created_ms: int

    @property
    def fingerprint(self) -> str:
        """By which what the key has signed for names it: of a key made anew under the same name it is another."""
        return hashlib.sha256(self.digest).hexdigest()[:_FINGERPRINT_CHARS]


class AccessKeys:
    """The keys of one app, in Redis."""

    def __init__(self, url: str, app: str, *, patience_s: float) -> None:
        """Read the address; nothing is sent yet. `patience_s` is how long a Redis that is away is waited for."""
        self._link = Link(url, patience_s)
        self._place = Keys(app).access

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def ping(self) -> None:
        """Ask for nothing but an answer; raises `ServiceError`."""
        await self._ask("ask Redis", "PING")

    async def add(self, name: str, kind: Kind, now_ms: int) -> str:
        """Make a key and return it: it can be had at no other time.

        Raises
        ------
        SegueError
            if another key has the name.
        """
        key = f"segue_{kind}_{secrets.token_urlsafe(32)}"
        row = orjson.dumps({"kind": kind, "sha256": digest_of(key).hex(), "created_ms": now_ms})
        if not await self._ask("add a key", "HSETNX", self._place, name, row):
            # a lost reply was followed by a second try, which found what the first one had written
            if await self._ask("add a key", "HGET", self._place, name) == row:
                return key
            message = f"there is a key {name!r} already: choose another name, or revoke it first"
            raise SegueError(message)
        return key

    async def revoke(self, name: str) -> None:
        """Forget a key; raises `SegueError` where none has the name."""
        if not await self._ask("revoke a key", "HDEL", self._place, name):
            message = f"there is no key {name!r}: `segue keys list` names all"
            raise SegueError(message)

    async def all(self) -> list[AccessKey]:
        """Return what is kept of every key, the oldest first."""
        rows = await self._ask("read the keys", "HGETALL", self._place)
        return sorted(map(_row, rows.keys(), rows.values()), key=lambda row: (row.created_ms, row.name))

    async def _ask(self, what: str, *command: str | bytes) -> Any:
        return await self._link.patiently(what, lambda: self._link.execute(*command))


def digest_of(key: str) -> bytes:
    """Return the SHA-256 by which a key is known."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def find(digest: bytes, rows: Sequence[AccessKey]) -> AccessKey | None:
    """Return the key of this digest; the time it takes does not tell which one, or how much of one was right."""
    found = None
    for row in rows:
        if secrets.compare_digest(row.digest, digest):
            found = row
    return found


def _row(name: bytes, data: bytes) -> AccessKey:
    try:
        row = orjson.loads(data)
        return AccessKey(name.decode(), row["kind"], bytes.fromhex(row["sha256"]), row["created_ms"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"the key {name.decode(errors='replace')!r} cannot be read ({error!r}); revoke it and add it anew"
        raise StateError(message) from error
