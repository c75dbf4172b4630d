"""Where the HTTP side meets: settings become a server with its edges."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from rules.errors import AccessError, ServiceError, SettingsError
from state.access import AccessKeys
from streams.collector import calm_collector
from streams.http.app import make_app
from streams.http.broker import Broker
from streams.http.edges import EDGES
from streams.http.keyring import KeyRing
from streams.http.listen import listening
from streams.http.parts import HttpParts
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.settings import Settings

PATIENCE_S = 2.0


@contextlib.asynccontextmanager
async def serving(settings: Settings, edges: Sequence[str] = ()) -> AsyncIterator[str]:
    """Serve these edges, all where none is named, for as long as the context lasts; yields the URL.

    It is up before broker and Redis are: `/readyz` says when they are there, and 503 is the answer until then.

    Raises
    ------
    SettingsError
        if there is no such edge.
    AccessError
        if broker or Redis is there and does not let us in.
    TopicError
        if the broker is there and a topic is missing or not as it must be.
    ServiceError
        if the address cannot be had.
    """
    for name in edges:
        if name not in EDGES:
            message = f"there is no edge {name!r}; there are {', '.join(EDGES)}"
            raise SettingsError(message)
    async with contextlib.AsyncExitStack() as stack:
        await _let_in(settings)
        store = AccessKeys(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
        stack.push_async_callback(store.close)
        keys = KeyRing(store.all)
        await stack.enter_async_context(keys.kept_fresh())
        broker = Broker(settings, edges or tuple(EDGES))
        await stack.enter_async_context(broker.connected())
        parts = HttpParts(settings, keys, broker)
        app = make_app(parts, {"broker": broker.check, "redis": store.ping})
        for name in edges or EDGES:
            app.include_router(await stack.enter_async_context(EDGES[name](parts)))
        stack.enter_context(calm_collector())  # a batch makes thousands of containers, none of them in a cycle
        yield await stack.enter_async_context(listening(app, settings))


async def _let_in(settings: Settings) -> None:
    """Raise `AccessError` where Redis is there and refuses us; one that is away may come later."""
    store = AccessKeys(redis_url(settings), settings.app_id, patience_s=0)
    try:
        await store.all()
    except AccessError:
        raise
    except ServiceError:
        pass  # whoever asks for a key says so
    finally:
        await store.close()
