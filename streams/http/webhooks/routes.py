"""The routes of webhooks: what the admin key manages."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from rules.dates import format_ms
from state.webhooks.endpoints import UnknownEndpoint
from streams.http.errors import JSON, HttpError, described, later
from streams.http.ingest.body import read_body
from streams.http.ingest.limits import InFlight, Share
from streams.http.keyring import key_in_header
from streams.http.lookup.redis import redis_or_503
from streams.http.security import AUTHORIZED
from streams.http.webhooks.answers import (
    ChangedEndpoint,
    DeadList,
    EndpointList,
    MadeEndpoint,
    OneEndpoint,
    Removed,
    Resent,
    Rotated,
    Tried,
    shown,
)
from streams.http.webhooks.asked import EndpointChange, NewEndpoint, Rotation, UrlRules
from streams.http.webhooks.bodies import parsed
from streams.http.webhooks.deliveries import BrokerAway
from streams.http.webhooks.manage import BadHeaders, ResumeUnsaid, TooMany
from streams.http.webhooks.spent import facts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from state.webhooks.queues import Standing
    from streams.http.parts import HttpParts
    from streams.http.webhooks.manage import Managing, Warned

EndpointId = Annotated[
    str, Path(alias="id", description="The endpoint's id.", examples=["ep_0123456789abcdef01234567"])
]
DeliveryId = Annotated[str, Path(description="The delivery's `webhook-id`, or `all`.")]
Limit = Annotated[int, Query(ge=1, le=1_000)]

ALL = "all"
_MOST_TESTS = 10
"""At once: each holds a connection for 15 s at most."""


def routes(parts: HttpParts, managing: Managing) -> APIRouter:
    """Return the routes."""

    async def admin_key(request: Request) -> None:
        await parts.keys.check(key_in_header(request.headers.get("authorization", "")), "admin")

    router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], dependencies=[Depends(admin_key)])
    bodies = _Bodies(parts)
    _add_endpoints(router, managing, bodies)
    _add_endpoint(router, managing, bodies)
    _add_deliveries(router, managing)
    _add_test(router, managing)
    return router


class _Bodies:
    """Reads bodies, all of them together within a bound."""

    def __init__(self, parts: HttpParts) -> None:
        self._in_flight = InFlight(parts.settings.http_in_flight)
        self._within_s = parts.settings.http_read_timeout / 1000
        self.rules = UrlRules.of(parts.settings)

    async def read(self, request: Request) -> bytes:
        share = Share(self._in_flight)
        try:
            return await read_body(request, share, self._within_s)
        finally:
            share.release()


def _add_endpoints(router: APIRouter, managing: Managing, bodies: _Bodies) -> None:
    @router.get("", **_described(EndpointList, 401, 405, 503))
    async def endpoints() -> Response:
        """Return every endpoint, the oldest first."""
        with _answered():
            return _json({"webhooks": [shown(endpoint) for endpoint in await managing.all()]})

    @router.post("", **_described(MadeEndpoint, *_BODY, 409, 422, made=201, body=NewEndpoint))
    async def add(request: Request) -> Response:
        """Make an endpoint. Its secret is in this answer and in no other."""
        asked = parsed(NewEndpoint, await bodies.read(request), bodies.rules)
        with _answered():
            made = await managing.add(asked)
        return _json({**_warned(made), "secret": made.endpoint.secret}, 201)


def _add_endpoint(router: APIRouter, managing: Managing, bodies: _Bodies) -> None:
    @router.get("/{id}", **_described(OneEndpoint, 401, 404, 405, 503))
    async def endpoint(identity: EndpointId) -> Response:
        """Return an endpoint, and how its deliveries stand."""
        with _answered():
            found, standing = await managing.get(identity), await managing.standing(identity)
        return _json({**_warned(found), "deliveries": _standing(standing)})

    @router.patch("/{id}", **_described(ChangedEndpoint, *_BODY, 404, 422, body=EndpointChange))
    async def change(identity: EndpointId, request: Request) -> Response:
        """Change an endpoint; what is left out stays."""
        asked = parsed(EndpointChange, await bodies.read(request), bodies.rules)
        with _answered():
            return _json(_warned(await managing.change(identity, asked)))

    @router.delete("/{id}", **_described(Removed, 401, 404, 405, 503))
    async def remove(identity: EndpointId) -> Response:
        """Remove an endpoint, and all that waits for it."""
        with _answered():
            await managing.remove(identity)
        return _json({"success": True})

    @router.post("/{id}/rotate", **_described(Rotated, *_BODY, 404, 422, body=Rotation))
    async def rotate(identity: EndpointId, request: Request) -> Response:
        """Give an endpoint a new secret, in this answer and in no other; the old one signs beside it for a day."""
        asked = parsed(Rotation, await bodies.read(request), bodies.rules)
        with _answered():
            changed = await managing.rotate(identity, asked.secret)
        return _json({**shown(changed), "secret": changed.secret})


def _add_deliveries(router: APIRouter, managing: Managing) -> None:
    @router.get("/{id}/dead", **_described(DeadList, 401, 404, 405, 422, 503))
    async def dead(identity: EndpointId, limit: Limit = 100) -> Response:
        """Return the newest deliveries that were given up."""
        with _answered():
            found = await managing.dead(identity, limit + 1)
        return _json({"dead": [facts_of(one) for one in found[:limit]], "more": len(found) > limit})

    @router.post("/{id}/dead/{delivery}/resend", **_described(Resent, 401, 404, 405, 503))
    async def resend(identity: EndpointId, delivery: DeliveryId) -> Response:
        """Send a delivery that was given up again, or `all` of them, at the end of its customer's line."""
        with _answered():
            count = await managing.resend(identity, None if delivery == ALL else delivery)
        if not count and delivery != ALL:
            message = f"no spent delivery that is kept has the id {delivery[:100]!r}"
            raise HttpError(404, "unknown_delivery", message, path="delivery")
        return _json({"resent": count})


def _add_test(router: APIRouter, managing: Managing) -> None:
    running = 0

    @router.post("/{id}/test", **_described(Tried, 401, 404, 405, 429, 503))
    async def test(identity: EndpointId) -> Response:
        """Send an endpoint a sample, and return what came back."""
        nonlocal running
        if running >= _MOST_TESTS:
            raise later(429, "too_many_tests", f"{_MOST_TESTS} tests are under way; come again")
        running += 1
        try:
            with _answered():
                tried = await managing.test(identity)
        finally:
            running -= 1
        outcome = tried.outcome
        return _json(
            {
                "delivered": outcome.good,
                "status": outcome.status,
                "failure": outcome.failure,
                "shown": outcome.shown,
                "seconds": round(outcome.seconds, 3),
                "webhook_id": tried.id,
                "sent": orjson.Fragment(tried.body),
            }
        )


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Have what goes wrong answered."""
    try:
        with redis_or_503():
            try:
                yield
            except BrokerAway as error:
                message = "the broker does not answer, and where its topic ends now must be known; come again"
                raise later(503, "broker_away", message) from error
    except UnknownEndpoint as error:
        raise HttpError(404, "unknown_webhook", f"{error}, as does GET /v1/webhooks", path="id") from error
    except TooMany as error:
        raise HttpError(409, "too_many_webhooks", str(error)) from error
    except (ResumeUnsaid, BadHeaders) as error:
        path = "resume" if isinstance(error, ResumeUnsaid) else "headers"
        raise HttpError(422, "invalid", str(error), path=path) from error


def _warned(found: Warned) -> dict[str, Any]:
    return {**shown(found.endpoint), "warnings": found.warnings}


def _standing(standing: Standing) -> dict[str, Any]:
    due = standing.next_due_ms
    return {
        "waiting": standing.waiting,
        "dead": standing.dead,
        "delivered": standing.done,
        "retries": standing.again,
        "spent": standing.spent,
        "next_attempt_at": None if due is None else format_ms(due),
        "last": _last(standing.last),
    }


def _last(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    last = orjson.loads(text)
    return {**last, "at": format_ms(last["at"])}


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type=JSON)


_BODY = (400, 401, 405, 408, 413, 415, 429, 503)
"""What reading a body may end in."""


def _described(
    answer: type[BaseModel], *statuses: int, made: int = 200, body: type[BaseModel] | None = None
) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    if body is not None:
        required = any(field.is_required() for field in body.model_fields.values())
        taken["requestBody"] = {"required": required, "content": {JSON: {"schema": body.model_json_schema()}}}
    return {
        "status_code": made,
        "response_model": None,
        "response_class": Response,
        "responses": {made: {"model": answer}, **described(*statuses)},
        "openapi_extra": {**AUTHORIZED, **taken},
    }
