"""What happened: the newest changes of a customer, out of the history that this process helps to keep."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import orjson
from fastapi import Query
from starlette.responses import Response

from rules.dates import format_ms
from state.history import History
from streams.http.errors import JSON
from streams.http.lookup.answers import Changes
from streams.http.lookup.kept import whole
from streams.http.lookup.openapi import answering
from streams.http.lookup.projector import Projector
from streams.http.lookup.quoted import CustomerId  # noqa: TC001 - FastAPI reads it
from streams.http.lookup.redis import redis_or_503
from streams.http.lookup.views import unknown_customer
from streams.http.security import AUTHORIZED_OR_TOKEN
from streams.redis_access import redis_url
from streams.replay.sender import partition_of
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from state.store import Store
    from streams.http.parts import HttpParts
    from streams.settings import Settings

GROUP = "history"
_PATIENCE_S = 2.0


@contextlib.asynccontextmanager
async def history_kept(parts: HttpParts) -> AsyncIterator[History]:
    """Keep this process's share of the history for as long as the context lasts; yields all of it, to be read."""
    settings = parts.settings
    history = History(redis_url(settings), settings.app_id, kept=settings.http_history, patience_s=_PATIENCE_S)
    try:
        async with parts.owning(settings, GROUP, Topics.named(settings).changes, Projector(parts, history).run):
            yield history
    finally:
        await history.close()


def add_changes(router: APIRouter, settings: Settings, store: Store, history: History) -> None:
    """Add the route of a customer's changes."""
    most = max(1, settings.http_history)
    limited: int = Query(most, ge=1, le=most, description="So many at most, the newest; all that are kept by default.")

    @router.get(
        "/v1/customers/{id}/changes",
        **answering(Changes, 400, 401, 403, 404, 405, 422, 503, **AUTHORIZED_OR_TOKEN),
    )
    async def changes(customer: CustomerId, limit: int = limited) -> Response:
        """Return a customer's newest changes, the newest first, as they are on the topic."""
        partition = partition_of(customer.encode(), settings.partitions)
        with redis_or_503():
            place = await history.place(partition)
            entries = (await history.changes(partition, customer))[:limit]
            if not entries and await store.view(customer) is None:
                raise unknown_customer()
        answer = {
            "customer_id": customer,
            "as_of": instant(place.read_to_ms),
            "changes": [orjson.Fragment(change) for change in whole(settings.app_id, customer, entries)],
        }
        return Response(orjson.dumps(answer), media_type=JSON)


def instant(at_ms: int | None) -> str | None:
    """Return an instant as RFC 3339, None for none."""
    return format_ms(at_ms) if at_ms else None
