"""The routes of ingest."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from streams.events import TYPES
from streams.http.errors import JSON, HttpError, described
from streams.http.ingest.body import read_body
from streams.http.ingest.browser import browser_settings
from streams.http.ingest.envelope import key_in_body
from streams.http.ingest.gateway import Gateway
from streams.http.ingest.limits import Share
from streams.http.ingest.openapi import BATCH_BODY, KEY_ANYWHERE, BatchAnswer, BrowserSettings, TakenAnswer, event_body
from streams.http.keyring import key_in_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from streams.http.ingest.gateway import Batch
    from streams.http.parts import HttpParts

_SUCCESS = b'{"success":true}'
_MOST_SHOWN = 100
_ERRORS = (400, 401, 405, 408, 413, 415, 429, 503)


@contextlib.asynccontextmanager
async def ingest(parts: HttpParts) -> AsyncIterator[APIRouter]:
    """Take events for as long as the context lasts; left, what was taken is sent."""
    gateway = Gateway(parts)
    try:
        yield _routes(parts, gateway)
    finally:
        await gateway.outlet.close(parts.settings.http_ack_timeout / 1000)


def _routes(parts: HttpParts, gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["ingest"])
    for kind in sorted(TYPES):
        handler = _handler(parts, gateway, _one(gateway, kind))
        extra = {**KEY_ANYWHERE, "requestBody": event_body(kind)}
        parts.direct.update({f"/v1/{kind}": handler, f"/v1/{kind[0]}": handler})
        _add(router, f"/v1/{kind}", handler, f"Take one {kind} event.", TakenAnswer, extra)
        _add(router, f"/v1/{kind[0]}", handler, f"Take one {kind} event of analytics.js.", TakenAnswer, extra)
    handler = _handler(parts, gateway, _many(gateway))
    extra = {**KEY_ANYWHERE, "requestBody": BATCH_BODY}
    for path in ("/v1/batch", "/v1/import", "/v1/b"):
        parts.direct[path] = handler
        _add(router, path, handler, "Take a batch of events.", BatchAnswer, extra)

    @router.get("/v1/projects/{key}/settings", responses=described(401, 405, 503))
    async def settings_of_analytics_js(key: str, request: Request) -> BrowserSettings:
        """Return what analytics.js asks for when a page loads it; `key` is a write key."""
        await parts.keys.check(key, "write")
        return browser_settings(key, parts.settings.http_public_url or str(request.base_url))

    return router


def _add(
    router: APIRouter,
    path: str,
    handler: Callable[[Request], Awaitable[Response]],
    summary: str,
    answer: type,
    extra: dict[str, Any],
) -> None:
    router.add_api_route(
        path,
        handler,
        methods=["POST"],
        summary=summary,
        operation_id=path.strip("/").replace("/", "_"),
        response_model=None,
        response_class=Response,
        responses={200: {"model": answer}, **described(*_ERRORS)},
        openapi_extra=extra,
    )


def _handler(
    parts: HttpParts, gateway: Gateway, take: Callable[[bytes], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    limit_s = parts.settings.http_read_timeout / 1000

    async def handler(request: Request) -> Response:
        header = request.headers.get("authorization")
        if header is not None:  # it alone counts, and no body is read for a wrong one
            await parts.keys.check(key_in_header(header), "write")
        share = Share(gateway.strangers if header is None else gateway.in_flight)
        try:
            body = await read_body(request, share, limit_s)
            if header is None:
                await parts.keys.check(key_in_body(body), "write")
            return await take(body)
        finally:
            share.release()

    return handler


def _one(gateway: Gateway, kind: str) -> Callable[[bytes], Awaitable[Response]]:
    async def take(body: bytes) -> Response:
        await gateway.one(body, kind)
        return Response(_SUCCESS, media_type=JSON)

    return take


def _many(gateway: Gateway) -> Callable[[bytes], Awaitable[Response]]:
    async def take(body: bytes) -> Response:
        return _batch_answer(await gateway.many(body))

    return take


def _batch_answer(batch: Batch) -> Response:
    if not batch.refused:
        return Response(_SUCCESS, media_type=JSON)
    faults = [{"path": item.path, "code": item.code, "message": item.message} for item in batch.refused[:_MOST_SHOWN]]
    counts: dict[str, Any] = {"accepted": len(batch.taken), "rejected": len(batch.refused), "errors": faults}
    if batch.taken:
        return Response(orjson.dumps({"success": True, **counts}), media_type=JSON)
    first = batch.refused[0]
    raise HttpError(400, first.code, f"no event was good; {first.path}: {first.message}", path=first.path, **counts)
