"""The webhook endpoints of an app, in one hash of Redis, id -> JSON.

A record says all that deliveries go by, where reading begins included: so that an endpoint can be made, changed and
enabled while nobody delivers, and nothing that comes after is missed.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from rules.errors import SegueError, StateError
from state.connect import Link
from state.keys import Keys
from state.scripts import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALL_SEGMENTS = "*"
MAX_WAITING = 100_000

Disabled = Literal["asked", "gone", "failing"]
"""Why an endpoint is disabled: somebody asked for it, it answered 410, or it failed for five days."""

_SWAP = Script("webhooks_swap")
_ID_BYTES = 12


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One endpoint. Times are UTC milliseconds.

    `segments` holds keys, `segmentation.segment` names, segmentations or `*`; `changes` of entered and exited; `causes`
    of event, timer and definition. `headers` go out with each request, and may hold secrets. `max_per_second` of None
    is no limit. `starts` is partition -> the offset of the change topic at which reading begins (0 where there is
    none), and holds for one `generation`: a higher one leaves all that waits behind.
    """

    id: str
    url: str
    secret: str
    created_ms: int
    segments: tuple[str, ...] = (ALL_SEGMENTS,)
    changes: tuple[str, ...] = ("entered", "exited")
    causes: tuple[str, ...] = ("event", "timer")
    traits: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    max_per_second: float | None = None
    max_waiting: int = MAX_WAITING
    previous_secret: str | None = None
    rotated_ms: int | None = None
    enabled: bool = True
    disabled: Disabled | None = None
    disabled_ms: int | None = None
    failing_since_ms: int | None = None
    backfill: int = 0
    """How often the present members were asked for; counted up, so that each time is told from the one before."""
    generation: int = 1
    starts: dict[int, int] = {}

    def __repr__(self) -> str:
        """Return the id alone: a record holds secrets, and this may end in a log."""
        return f"Endpoint({self.id!r})"

    def secrets_at(self, now_ms: int, overlap_ms: int = 86_400_000) -> tuple[str, ...]:
        """Return the secrets that sign now: the present one, and for a day after a rotation the one before."""
        if self.previous_secret is None or self.rotated_ms is None or now_ms >= self.rotated_ms + overlap_ms:
            return (self.secret,)
        return self.secret, self.previous_secret


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Endpoint).decode


def new_id() -> str:
    """Return an id that no endpoint has."""
    return f"ep_{secrets.token_hex(_ID_BYTES)}"


class UnknownEndpoint(SegueError):
    """There is no endpoint with this id."""


class Endpoints:
    """The endpoints of one app. Every call raises `ServiceError` where Redis does not answer within `patience_s`."""

    def __init__(self, url: str, app: str, *, patience_s: float) -> None:
        """Read the address; nothing is sent yet."""
        self._link = Link(url, patience_s)
        self._place = Keys(app).webhooks

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new one; raises `SegueError` where its id is taken."""
        row = _encode(endpoint)
        if not await self._swap(endpoint.id, None, row) and await self._row(endpoint.id) != row:
            message = f"there is an endpoint {endpoint.id} already"
            raise SegueError(message)

    async def all(self) -> list[Endpoint]:
        """Return every endpoint, the oldest first."""
        rows: Mapping[bytes, bytes] = await self._ask("read the webhook endpoints", "HGETALL", self._place)
        found = [_read(name.decode(), row) for name, row in rows.items()]
        return sorted(found, key=lambda endpoint: (endpoint.created_ms, endpoint.id))

    async def get(self, identity: str) -> Endpoint:
        """Return one; raises `UnknownEndpoint`."""
        row = await self._row(identity)
        if row is None:
            raise _unknown(identity)
        return _read(identity, row)

    async def change(self, identity: str, edit: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Replace one by what `edit` makes of it, and return that; raises `UnknownEndpoint`.

        `edit` is called again where somebody else changed the endpoint meanwhile; the id must stay.
        """
        while True:
            row = await self._row(identity)
            if row is None:
                raise _unknown(identity)
            edited = edit(_read(identity, row))
            wanted = _encode(edited)
            if wanted == row or await self._swap(identity, row, wanted):
                return edited

    async def rotate(self, identity: str, secret: str, now_ms: int) -> Endpoint:
        """Give one a new secret, beside which the old one signs for a day; raises `UnknownEndpoint`."""

        def edit(endpoint: Endpoint) -> Endpoint:
            if endpoint.secret == secret:  # a lost reply was followed by a second try
                return endpoint
            changed = {"secret": secret, "previous_secret": endpoint.secret, "rotated_ms": now_ms}
            return msgspec.structs.replace(endpoint, **changed)

        return await self.change(identity, edit)

    async def remove(self, identity: str) -> None:
        """Forget one; raises `UnknownEndpoint`. What waits for it goes with `Queues.forget`."""
        if not await self._ask("remove a webhook endpoint", "HDEL", self._place, identity):
            raise _unknown(identity)

    async def _row(self, identity: str) -> bytes | None:
        row: bytes | None = await self._ask("read a webhook endpoint", "HGET", self._place, identity)
        return row

    async def _swap(self, identity: str, before: bytes | None, after: bytes) -> bool:
        """Whether `after` stands there, in place of `before`."""
        arguments = (identity, "" if before is None else before, after)
        return bool(await self._ask("write a webhook endpoint", "EVAL", _SWAP.source, 1, self._place, *arguments))

    async def _ask(self, what: str, *command: str | bytes | int) -> Any:
        return await self._link.patiently(what, lambda: self._link.execute(*command))


def _unknown(identity: str) -> UnknownEndpoint:
    return UnknownEndpoint(f"there is no endpoint {identity!r}: `segue webhooks list` names all")


def _read(identity: str, row: bytes) -> Endpoint:
    try:
        return _decode(row)
    except msgspec.MsgspecError as error:
        message = f"the webhook endpoint {identity!r} cannot be read ({error}); remove it and add it anew"
        raise StateError(message) from error
