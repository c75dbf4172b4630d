"""The routes of the stream: changes as they come, and the tokens by which a page may hear its own customer's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from rules.dates import format_ms
from streams.explain import meant, segments_of
from streams.http.errors import JSON, described
from streams.http.ingest.body import read_body
from streams.http.ingest.limits import InFlight, Share
from streams.http.lookup.explained import unknown_segment
from streams.http.lookup.redis import redis_or_503
from streams.http.security import AUTHORIZED, AUTHORIZED_OR_TOKEN
from streams.http.stream.answer import EVENT_STREAM, StreamAnswer
from streams.http.stream.asked import TokenAnswer, TokenRequest, token_asked
from streams.http.stream.live import Live, bad_position
from streams.http.stream.metrics import StreamMetrics
from streams.http.stream.position import Position
from streams.http.stream.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.http.callers import Callers
    from streams.http.lookup.rules import ActiveRules
    from streams.http.parts import HttpParts
    from streams.http.tokens import Tokens

PATH = "/v1/stream"
_MOST_NAMES = 100

Segments = Annotated[
    list[str],
    Query(
        alias="segment",
        max_length=_MOST_NAMES,
        description="Changes of these alone: keys, `segmentation.segment` or segmentations; again, or with commas.",
    ),
]
Customers = Annotated[
    list[Annotated[str, Query(min_length=1)]],
    Query(alias="customer", max_length=_MOST_NAMES, description="Changes of these customers alone; again for more."),
]
Change = Annotated[Literal["entered", "exited"] | None, Query(description="These changes alone.")]
LastEventId = Annotated[
    str | None, Header(description="The id of the last event one has had: the stream goes on behind it.")
]
LastEventIdParameter = Annotated[
    str | None, Query(alias="last_event_id", description="The same, for those who cannot send the header.")
]

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            "`event: segment.entered` or `segment.exited`, with the change as `data`; `event: gap` where changes can "
            "be had no more, with `{partitions: [{partition, from, to}]}`. Where it ends, come back with the last id."
        ),
        "content": {EVENT_STREAM: {"schema": {"type": "string"}}},
    }
}
_TOKEN_BODY = {"required": True, "content": {JSON: {"schema": TokenRequest.model_json_schema()}}}


@contextlib.asynccontextmanager
async def streaming(parts: HttpParts, callers: Callers, tokens: Tokens, rules: ActiveRules) -> AsyncIterator[APIRouter]:
    """Let clients listen for as long as the context lasts."""
    live = Live(parts.settings, parts.keys, StreamMetrics(parts.metrics.registry))
    async with live.open():
        parts.gates[PATH] = live.gate
        router = APIRouter(tags=["stream"])
        _add_stream(router, live, callers, rules)
        _add_tokens(router, parts, callers, tokens)
        yield router


def _add_stream(router: APIRouter, live: Live, callers: Callers, rules: ActiveRules) -> None:
    async def known(segments: Sequence[str]) -> frozenset[str]:
        names = frozenset(name for text in segments for name in text.split(",") if name)
        if names:
            with redis_or_503():
                there = segments_of((await rules.get()).engine)
            for name in sorted(names):
                if not meant(there, name):
                    unknown_segment(there, name)
        return names

    @router.get(
        PATH,
        response_model=None,
        response_class=Response,
        responses={**_EVENTS, **described(400, 401, 403, 404, 405, 422, 429, 503)},
        openapi_extra=AUTHORIZED_OR_TOKEN,
    )
    async def stream(
        request: Request,
        segment: Segments = [],  # noqa: B006 - FastAPI copies it
        customer: Customers = [],  # noqa: B006 - likewise
        change: Change = None,
        last_event_id: LastEventId = None,
        last_event_id_parameter: LastEventIdParameter = None,
    ) -> Response:
        """Send segment changes as they come, as Server-Sent Events."""
        caller = await callers.of(request)
        for one in customer:
            caller.require(one, "customer")
        customers = frozenset(customer) if caller.customer is None else frozenset((caller.customer,))
        wanted = Wanted(await known(segment), customers, change)
        return StreamAnswer(live, wanted, caller, _position(last_event_id or last_event_id_parameter))


def _position(text: str | None) -> Position | None:
    if not text:
        return None
    try:
        return Position.read(text.encode())
    except ValueError as error:
        raise bad_position(str(error)) from None


def _add_tokens(router: APIRouter, parts: HttpParts, callers: Callers, tokens: Tokens) -> None:
    in_flight = InFlight(parts.settings.http_in_flight)

    @router.post(
        "/v1/tokens",
        response_model=None,
        response_class=Response,
        responses={200: {"model": TokenAnswer}, **described(400, 401, 403, 405, 408, 413, 415, 422, 429, 503)},
        openapi_extra={**AUTHORIZED, "requestBody": _TOKEN_BODY},
    )
    async def make_token(request: Request) -> Response:
        """Make a token: a customer's page reads their view and changes with it, and listens to their stream."""
        caller = await callers.of(request)
        share = Share(in_flight)
        try:
            asked = token_asked(await read_body(request, share, parts.settings.http_read_timeout / 1000))
        finally:
            share.release()
        token, ends_s = await tokens.issue(caller, asked.customer_id, asked.ttl_ms)
        answer: dict[str, Any] = {
            "token": token,
            "customer_id": asked.customer_id,
            "expires_at": format_ms(ends_s * 1_000),
        }
        return Response(orjson.dumps(answer), media_type=JSON, headers={"Cache-Control": "no-store"})
