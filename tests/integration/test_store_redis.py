"""The store in Redis holds every law of a store, on a real server."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from state.redis import RedisStore
from tests.conformance.store import LAWS, Law

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey


@pytest.fixture
async def store(valkey: EmbeddedValkey) -> AsyncIterator[RedisStore]:
    """Yield an empty store under an app id of its own, with characters that globs read otherwise."""
    store = RedisStore(valkey.url, f"[t]*?^-{secrets.token_hex(4)}")
    await store.start()
    yield store
    await store.drop()
    await store.close()


@pytest.mark.parametrize("law", [pytest.param(law, id=f"redis:{law.__name__}") for law in LAWS])
async def test_law(law: Law, store: RedisStore) -> None:
    await law(store)
