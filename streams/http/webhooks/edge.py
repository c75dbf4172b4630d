"""The edge of webhooks: delivers, and lets endpoints be managed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from state.redis import RedisStore
from streams.http.webhooks.asked import UrlRules
from streams.http.webhooks.delivering import delivering
from streams.http.webhooks.manage import Managing
from streams.http.webhooks.names import Names
from streams.http.webhooks.outbound import Outbound
from streams.http.webhooks.routes import routes
from streams.http.webhooks.sender import HttpSender
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import APIRouter

    from streams.http.parts import HttpParts

_PATIENCE_S = 2.0


@contextlib.asynccontextmanager
async def webhooks(parts: HttpParts) -> AsyncIterator[APIRouter]:
    """Deliver, and answer who manages endpoints, for as long as the context lasts."""
    settings = parts.settings
    rules = UrlRules.of(settings)
    async with contextlib.AsyncExitStack() as stack:
        outbound = await stack.enter_async_context(Outbound(rules.guard))
        sender = HttpSender(outbound, rules.guard, http=rules.http)
        # never started: it is only read, and the server is up before Redis is
        store = RedisStore(redis_url(settings), settings.app_id, patience_s=_PATIENCE_S)
        stack.push_async_callback(store.close)
        endpoints, deliveries = await stack.enter_async_context(
            delivering(settings, lambda: parts.broker.producer, sender, parts.metrics.registry)
        )
        yield routes(parts, Managing(endpoints, deliveries, sender, Names(store, settings), _now_ms))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
