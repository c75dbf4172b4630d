"""The route of who is in a segment, and its cursor."""

from __future__ import annotations

import base64
import binascii
import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import orjson
from fastapi import Path, Query
from starlette.responses import Response

from rules.dates import format_ms
from streams.explain import segments_of
from streams.http.errors import JSON, HttpError
from streams.http.lookup.answers import MembersAnswer
from streams.http.lookup.catalogue import unlabelled
from streams.http.lookup.openapi import answering
from streams.http.lookup.redis import redis_or_503
from streams.members import BEGIN, Cursor, Members, UnknownSegment, one_meant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import APIRouter

    from state.store import Store
    from streams.explain import Named
    from streams.http.lookup.rules import ActiveRules

MOST = 1_000
_USUAL = 100

SegmentPath = Annotated[str, Path(min_length=1, description="A segment's key, or `segmentation.segment`.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="So many at most; a page may have fewer, or none.")]
CursorText = Annotated[
    str | None, Query(alias="cursor", description="`next_cursor` of the page before; none for the first.")
]


class _Text(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """What a cursor's text holds: whose it is, and where it stands."""

    name: str
    scan: Annotated[int, msgspec.Meta(ge=0)] | None
    waiting: Annotated[list[str], msgspec.Meta(max_length=10 * MOST)]


_decode = msgspec.msgpack.Decoder(_Text).decode


def add_members(router: APIRouter, store: Store, rules: ActiveRules, partitions: Sequence[int]) -> None:
    """Add the route."""

    @router.get("/v1/segments/{key}/customers", **answering(MembersAnswer, 400, 401, 403, 404, 405, 422, 503))
    async def customers(key: SegmentPath, cursor: CursorText = None, limit: Limit = _USUAL) -> Response:
        """Return customers who are in a segment, a page at a time."""
        as_of = format_ms(time.time_ns() // 1_000_000)
        with redis_or_503():
            engine = (await rules.get()).engine
            segments = [*segments_of(engine), *unlabelled(engine, await store.sizes(partitions))]
            one = _meant(segments, key)
            place = BEGIN if cursor is None else read_cursor(cursor, one.name)
            page = await Members(store, one.segment, one.segmentation).page(place, limit)
        answer = {
            "segment": one.segment,
            "segmentation": one.segmentation,
            "as_of": as_of,
            "customers": [member._asdict() for member in page.members],
            "next_cursor": None if page.following is None else write_cursor(page.following, one.name),
        }
        return Response(orjson.dumps(answer), media_type=JSON)


def _meant(segments: Sequence[Named], key: str) -> Named:
    try:
        return one_meant(segments, key)
    except UnknownSegment as error:
        message = f"{error}; GET /v1/segments lists all"
        raise HttpError(404, "unknown_segment", message, path="key") from error


def write_cursor(cursor: Cursor, name: str) -> str:
    """Return a cursor of this segment's pages as text for a URL."""
    packed = msgspec.msgpack.encode(_Text(name, cursor.scan, list(cursor.waiting)))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def read_cursor(text: str, name: str) -> Cursor:
    """Return the cursor that a text holds; raises `HttpError` (400) where it holds none of this segment's."""
    try:
        found = _decode(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise _bad_cursor() from error
    if found.name != name:
        raise _bad_cursor()
    return Cursor(found.scan, tuple(found.waiting))


def _bad_cursor() -> HttpError:
    message = "this is no cursor of this segment's pages: send `next_cursor` as it came, or none to begin"
    return HttpError(400, "bad_cursor", message, path="cursor")
