"""The routes of lookup."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from rules.errors import ServiceError
from state.redis import RedisStore
from streams.http.errors import JSON, HttpError, described, later
from streams.http.ingest.body import read_body
from streams.http.ingest.limits import InFlight, Share
from streams.http.keyring import key_in_header
from streams.http.lookup.answers import Catalogue, Explained, LookupAnswer, LookupRequest, View
from streams.http.lookup.asked import ids_in
from streams.http.lookup.catalogue import catalogue
from streams.http.lookup.explained import Explainer
from streams.http.lookup.quoted import customer_id
from streams.http.lookup.rules import ActiveRules
from streams.http.lookup.views import view_of
from streams.http.security import AUTHORIZED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from state.store import Store
    from streams.http.parts import HttpParts

CustomerId = Annotated[str, Depends(customer_id)]
WaitForSeq = Annotated[
    int, Query(ge=0, le=2**53, description="Wait up to 2 s for a view with at least this `seq`; 0 waits for none.")
]
SegmentKey = Annotated[
    str | None, Query(description="This segment alone: its key, or `segmentation.segment`; or a whole segmentation.")
]

_PATIENCE_S = 2.0
_IDS_BODY = {"required": True, "content": {JSON: {"schema": LookupRequest.model_json_schema()}}}


@contextlib.asynccontextmanager
async def lookup(parts: HttpParts) -> AsyncIterator[APIRouter]:
    """Answer questions for as long as the context lasts."""
    settings = parts.settings
    # never started: nothing is written here, and the server is up before Redis is
    store = RedisStore(settings.redis, settings.app_id, patience_s=_PATIENCE_S)
    try:
        yield routes(parts, store)
    finally:
        await store.close()


def routes(parts: HttpParts, store: Store) -> APIRouter:
    """Return the routes over a store that is only read."""

    async def read_key(request: Request) -> None:
        await _check(parts, request)

    router = APIRouter(tags=["lookup"], dependencies=[Depends(read_key)])
    rules = ActiveRules(store, parts.settings)
    _add_views(router, parts, store)
    _add_explain(router, Explainer(store, rules, parts.settings.partitions, _now_ms))
    _add_segments(router, store, rules, range(parts.settings.partitions))
    return router


async def _check(parts: HttpParts, request: Request) -> None:
    await parts.keys.check(key_in_header(request.headers.get("authorization", "")), "read")


def _add_views(router: APIRouter, parts: HttpParts, store: Store) -> None:
    in_flight = InFlight(parts.settings.http_in_flight)

    described_many = _described(LookupAnswer, 400, 401, 405, 408, 413, 415, 422, 429, 503, requestBody=_IDS_BODY)

    # before the next: to a method that neither takes, 405 names what is documented at this path
    @router.post("/v1/customers/lookup", **described_many)
    async def customers(request: Request) -> Response:
        """Return the same of up to 100 customers at once."""
        share = Share(in_flight)
        try:
            ids = ids_in(await read_body(request, share, parts.settings.http_read_timeout / 1000))
        finally:
            share.release()
        with redis_or_503():
            views = await store.views(ids)
        found = zip(ids, views, strict=True)
        answer = {"customers": {customer: view and orjson.Fragment(view) for customer, view in found}}
        return Response(orjson.dumps(answer), media_type=JSON)

    @router.get("/v1/customers/{id}", **_described(View, 400, 401, 404, 405, 422, 503))
    async def customer(customer: CustomerId, wait_for_seq: WaitForSeq = 0) -> Response:
        """Return a customer's segments, scores and traits."""
        return await _view_answer(store, customer, wait_for_seq)

    async def directly(request: Request) -> Response:
        await _check(parts, request)
        return await _view_answer(store, await customer_id(request.path_params["id"]), 0)

    parts.direct["/v1/customers/{id}"] = directly


async def _view_answer(store: Store, customer: str, seq: int) -> Response:
    with redis_or_503():
        view = await view_of(store, customer, seq)
    if view is None:
        raise unknown_customer()
    return Response(view, media_type=JSON)


def _add_explain(router: APIRouter, explainer: Explainer) -> None:
    @router.get("/v1/customers/{id}/explain", **_described(Explained, 400, 401, 404, 405, 422, 503))
    async def explain(customer: CustomerId, segment: SegmentKey = None) -> Response:
        """Return why a customer is in each segment or not, and what comes next with no further event."""
        with redis_or_503():
            found = await explainer.explain(customer, segment)
        if found is None:
            raise unknown_customer()
        return Response(orjson.dumps(found), media_type=JSON)


def _add_segments(router: APIRouter, store: Store, rules: ActiveRules, partitions: Sequence[int]) -> None:
    @router.get("/v1/segments", **_described(Catalogue, 401, 405, 503))
    async def segments() -> Response:
        """Return the active segments: names, definitions, and how many customers are in each now."""
        with redis_or_503():
            active, sizes = await rules.get(), await store.sizes(partitions)
        return Response(orjson.dumps(catalogue(active, sizes)), media_type=JSON)


def unknown_customer() -> HttpError:
    """Return the error of a customer of whom nothing is known."""
    message = "no such customer: no event of theirs has been counted yet; wait_for_seq=1 waits for their first change"
    return HttpError(404, "unknown_customer", message, path="id")


@contextlib.contextmanager
def redis_or_503() -> Iterator[None]:
    """Have a store that does not answer answered with 503."""
    try:
        yield
    except ServiceError as error:
        raise later(503, "redis_away", "Redis does not answer; come again") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _described(answer: type, *statuses: int, **extra: Any) -> dict[str, Any]:
    return {
        "response_model": None,
        "response_class": Response,
        "responses": {200: {"model": answer}, **described(*statuses)},
        "openapi_extra": {**AUTHORIZED, **extra},
    }
