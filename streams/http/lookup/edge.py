"""The routes of lookup."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from state.redis import RedisStore
from state.token_secrets import TokenSecrets
from streams.http.callers import Callers
from streams.http.errors import JSON
from streams.http.ingest.body import read_body
from streams.http.ingest.limits import InFlight, Share
from streams.http.lookup.answers import Catalogue, Explained, LookupAnswer, LookupRequest, View
from streams.http.lookup.asked import ids_in
from streams.http.lookup.catalogue import catalogue
from streams.http.lookup.explained import Explainer
from streams.http.lookup.members import add_members
from streams.http.lookup.openapi import answering
from streams.http.lookup.past import add_changes, history_kept, instant
from streams.http.lookup.quoted import CustomerId, customer_id
from streams.http.lookup.reads import reading
from streams.http.lookup.redis import redis_or_503
from streams.http.lookup.rules import ActiveRules
from streams.http.lookup.views import unknown_customer, view_of
from streams.http.security import AUTHORIZED_OR_TOKEN
from streams.http.stream.edge import streaming
from streams.http.tokens import Tokens
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from state.history import History
    from state.store import Store
    from streams.http.lookup.reads import Reads
    from streams.http.parts import HttpParts

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
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=_PATIENCE_S)
    secrets = TokenSecrets(redis_url(settings), settings.app_id, patience_s=_PATIENCE_S)
    tokens = Tokens(settings.app_id, lambda: secrets.have(_now_ms()), parts.keys)
    callers = Callers(parts.keys, tokens)
    try:
        async with (
            reading(parts, store) as reads,
            history_kept(parts) as history,
            streaming(parts, callers, tokens, ActiveRules(store, settings)) as live,
        ):
            whole = APIRouter()
            whole.include_router(routes(parts, store, reads, history, callers))
            whole.include_router(live)
            yield whole
    finally:
        await secrets.close()
        await store.close()


def routes(parts: HttpParts, store: Store, reads: Reads, history: History, callers: Callers) -> APIRouter:
    """Return the routes over a store and a history that are only read; `reads` is what says the same of a customer."""

    async def may(request: Request) -> None:
        await _check(callers, request)

    router = APIRouter(tags=["lookup"], dependencies=[Depends(may)])
    rules = ActiveRules(store, parts.settings)
    _add_views(router, parts, store, reads, callers)
    _add_explain(router, Explainer(reads, rules, parts.settings.partitions, _now_ms))
    add_changes(router, parts.settings, store, history)
    partitions = range(parts.settings.partitions)
    _add_segments(router, store, history, rules, partitions)
    add_members(router, store, rules, partitions)
    return router


async def _check(callers: Callers, request: Request) -> None:
    """Let in who may ask this; raises `HttpError`."""
    caller = await callers.of(request)
    if caller.customer is not None:
        caller.require(await customer_id(request.path_params["id"]), "id")


def _add_views(router: APIRouter, parts: HttpParts, store: Store, reads: Reads, callers: Callers) -> None:
    in_flight = InFlight(parts.settings.http_in_flight)

    described_many = answering(LookupAnswer, 400, 401, 403, 405, 408, 413, 415, 422, 429, 503, requestBody=_IDS_BODY)

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
            views = await reads.views(ids)
        found = zip(ids, views, strict=True)
        answer = {"customers": {customer: view and orjson.Fragment(view) for customer, view in found}}
        return Response(orjson.dumps(answer), media_type=JSON)

    @router.get("/v1/customers/{id}", **answering(View, 400, 401, 403, 404, 405, 422, 503, **AUTHORIZED_OR_TOKEN))
    async def customer(customer: CustomerId, wait_for_seq: WaitForSeq = 0) -> Response:
        """Return a customer's segments, scores and traits."""
        # who knows of a newer one knows more than a replica may
        return await _view_answer(store if wait_for_seq else reads, customer, wait_for_seq)

    async def directly(request: Request) -> Response:
        await _check(callers, request)
        return await _view_answer(reads, await customer_id(request.path_params["id"]), 0)

    parts.direct["/v1/customers/{id}"] = directly


async def _view_answer(reads: Reads, customer: str, seq: int) -> Response:
    with redis_or_503():
        view = await view_of(reads, customer, seq)
    if view is None:
        raise unknown_customer()
    return Response(view, media_type=JSON)


def _add_explain(router: APIRouter, explainer: Explainer) -> None:
    @router.get("/v1/customers/{id}/explain", **answering(Explained, 400, 401, 403, 404, 405, 422, 503))
    async def explain(customer: CustomerId, segment: SegmentKey = None) -> Response:
        """Return why a customer is in each segment or not, and what comes next with no further event."""
        with redis_or_503():
            found = await explainer.explain(customer, segment)
        if found is None:
            raise unknown_customer()
        return Response(orjson.dumps(found), media_type=JSON)


def _add_segments(
    router: APIRouter, store: Store, history: History, rules: ActiveRules, partitions: Sequence[int]
) -> None:
    @router.get("/v1/segments", **answering(Catalogue, 401, 403, 405, 503))
    async def segments() -> Response:
        """Return the active segments: definitions, how many are in now, and how many came and went in 24 h."""
        with redis_or_503():
            active, sizes = await rules.get(), await store.sizes(partitions)
            flows = await history.flows(partitions)
        content = {**catalogue(active, sizes, flows.by_segment), "flows_as_of": instant(flows.as_of_ms)}
        return Response(orjson.dumps(content), media_type=JSON)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
