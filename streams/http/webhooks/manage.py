"""What can be done with endpoints, over HTTP and on the command line alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from msgspec.structs import replace

from rules.errors import SegueError
from state.webhooks.endpoints import Endpoint, new_id
from streams.http.webhooks.asked import MOST_HEADERS, MOST_HEADERS_CHARS
from streams.http.webhooks.masks import MASK
from streams.http.webhooks.sample import sample
from streams.http.webhooks.signing import make_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from state.webhooks.endpoints import Endpoints
    from state.webhooks.queues import Dead, Standing
    from streams.http.webhooks.asked import EndpointChange, NewEndpoint
    from streams.http.webhooks.attempt import Outcome, Sender
    from streams.http.webhooks.names import Names

MOST_ENDPOINTS = 100

Resume = Literal["here", "now"]


class TooMany(SegueError):
    """There are as many endpoints as there may be."""


class ResumeUnsaid(SegueError):
    """One is to be enabled, and it was not said where it goes on."""


class BadHeaders(SegueError):
    """An endpoint would have more headers than it may."""


class Warned(NamedTuple):
    """An endpoint, and what is odd about it."""

    endpoint: Endpoint
    warnings: Sequence[str]


class Sample(NamedTuple):
    """A sample that was sent, and what came of it."""

    id: str
    body: bytes
    outcome: Outcome


class Deliveries(Protocol):
    """What becomes of endpoints' deliveries. Calls raise `UnknownEndpoint` and `ServiceError`."""

    async def add(self, endpoint: Endpoint, *, backfill: bool) -> Endpoint:
        """Keep a new endpoint that reads from now on; with `backfill` its segments' present members come first."""

    async def enable(self, identity: str, *, resume: Resume) -> Endpoint:
        """Let one go on where it was, or now, with what waited and came meanwhile skipped."""

    async def disable(self, identity: str) -> Endpoint:
        """Stop one; its place is kept."""

    async def remove(self, identity: str) -> None:
        """Forget one, and all that waits for it."""

    async def standing(self, identity: str) -> Standing:
        """Return how one's deliveries stand."""

    async def dead(self, identity: str, limit: int) -> list[Dead]:
        """Return one's newest spent deliveries, the newest first."""

    async def resend(self, identity: str, delivery_id: str | None) -> int:
        """Send a spent delivery again, or all (None); return how many wait anew."""


class Managing:
    """The endpoints of one app. Every call raises `ServiceError` where Redis does not answer."""

    def __init__(
        self, endpoints: Endpoints, deliveries: Deliveries, sender: Sender, names: Names, now_ms: Callable[[], int]
    ) -> None:
        """Do nothing yet."""
        self._endpoints = endpoints
        self._deliveries = deliveries
        self._sender = sender
        self._names = names
        self._now_ms = now_ms

    async def all(self) -> list[Endpoint]:
        """Return every endpoint, the oldest first."""
        return await self._endpoints.all()

    async def get(self, identity: str) -> Warned:
        """Return one; raises `UnknownEndpoint`."""
        return await self._warned(await self._endpoints.get(identity))

    async def add(self, asked: NewEndpoint) -> Warned:
        """Make one; raises `TooMany`."""
        if len(await self._endpoints.all()) >= MOST_ENDPOINTS:
            message = f"there are {MOST_ENDPOINTS} endpoints, which is the most; remove one first"
            raise TooMany(message)
        now_ms = self._now_ms()
        fields = _tuples(asked.model_dump(exclude={"secret", "backfill", "headers", "enabled"}))
        endpoint = Endpoint(
            id=new_id(),
            secret=asked.secret or make_secret(),
            created_ms=now_ms,
            headers={name: value for name, value in asked.headers.items() if value is not None},
            enabled=asked.enabled,
            disabled=None if asked.enabled else "asked",
            disabled_ms=None if asked.enabled else now_ms,
            **fields,
        )
        return await self._warned(await self._deliveries.add(endpoint, backfill=asked.backfill))

    async def change(self, identity: str, asked: EndpointChange) -> Warned:
        """Change one; raises `UnknownEndpoint`, and `ResumeUnsaid` where nothing of it was changed."""
        present = await self._endpoints.get(identity)
        if asked.enabled and not present.enabled and asked.resume is None:
            message = 'say where it goes on: "resume": "here" sends what came meanwhile, "now" skips it'
            raise ResumeUnsaid(message)
        endpoint = await self._endpoints.change(identity, lambda before: _changed(before, asked))
        if asked.enabled and asked.resume is not None:
            endpoint = await self._deliveries.enable(identity, resume=asked.resume)
        elif asked.enabled is False:
            endpoint = await self._deliveries.disable(identity)
        return await self._warned(endpoint)

    async def remove(self, identity: str) -> None:
        """Forget one, and all that waits for it; raises `UnknownEndpoint`."""
        await self._deliveries.remove(identity)

    async def rotate(self, identity: str, secret: str | None) -> Endpoint:
        """Give one a new secret, this or a made one; raises `UnknownEndpoint`."""
        return await self._endpoints.rotate(identity, secret or make_secret(), self._now_ms())

    async def test(self, identity: str) -> Sample:
        """Send one a sample, whether or not it is enabled; raises `UnknownEndpoint`."""
        endpoint, now_ms = await self._endpoints.get(identity), self._now_ms()
        delivery_id, body = sample(endpoint, now_ms)
        outcome = await self._sender.send(endpoint, delivery_id, body, at_s=now_ms // 1000)
        return Sample(delivery_id, body, outcome)

    async def standing(self, identity: str) -> Standing:
        """Return how one's deliveries stand; raises `UnknownEndpoint`."""
        return await self._deliveries.standing(identity)

    async def dead(self, identity: str, limit: int) -> list[Dead]:
        """Return one's newest spent deliveries, the newest first; raises `UnknownEndpoint`."""
        return await self._deliveries.dead(identity, limit)

    async def resend(self, identity: str, delivery_id: str | None) -> int:
        """Send a spent delivery again, or all (None); return how many wait anew. Raises `UnknownEndpoint`."""
        return await self._deliveries.resend(identity, delivery_id)

    async def _warned(self, endpoint: Endpoint) -> Warned:
        return Warned(endpoint, await self._names.warnings(endpoint.segments))


def _changed(before: Endpoint, asked: EndpointChange) -> Endpoint:
    fields = _tuples(asked.given())
    if asked.headers is not None:
        fields["headers"] = _merged(before.headers, asked.headers)
    return replace(before, **fields)


def _merged(before: dict[str, str], asked: dict[str, str | None]) -> dict[str, str]:
    """Return headers with those asked for set or removed; a mask, as they are shown, leaves one as it is."""
    left = {name.lower(): (name, value) for name, value in before.items()}
    for name, value in asked.items():
        if value is None:
            left.pop(name.lower(), None)
        elif value != MASK:
            left[name.lower()] = name, value
    merged = dict(left.values())
    if len(merged) > MOST_HEADERS or sum(len(name) + len(value) for name, value in left.values()) > MOST_HEADERS_CHARS:
        message = f"an endpoint has at most {MOST_HEADERS} headers, of {MOST_HEADERS_CHARS} characters in all"
        raise BadHeaders(message)
    return merged


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
