"""The secrets that sign tokens, in Redis: made once, whoever comes first, and changed without a pause."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rules.errors import StateError
from state.connect import Link
from state.token_secrets import LONGEST_TTL_MS, SECRET_BYTES, TokenSecrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey

pytestmark = pytest.mark.embedded  # no broker has a say in it


@pytest_asyncio.fixture
async def store(valkey: EmbeddedValkey, app_id: str) -> AsyncIterator[TokenSecrets]:
    found = TokenSecrets(valkey.url, app_id, patience_s=5)
    try:
        yield found
    finally:
        await found.close()


async def test_whoever_comes_first_makes_the_one_that_all_have(store: TokenSecrets) -> None:
    assert await store.all() == []
    found = await asyncio.gather(*[store.have(number) for number in range(5)])
    assert {tuple(rows) for rows in found} == {tuple(await store.all())}
    (secret,) = await store.all()
    assert len(secret.secret) == SECRET_BYTES


async def test_a_former_one_verifies_until_what_it_signed_has_ended(store: TokenSecrets) -> None:
    (first,) = await store.have(0)
    await store.rotate(1_000, LONGEST_TTL_MS)
    rows = await store.all()
    assert rows[0] == first
    assert rows[1].secret != first.secret
    await store.rotate(1_000 + LONGEST_TTL_MS - 1, LONGEST_TTL_MS)
    assert (await store.all())[0] == first
    await store.rotate(1_000 + LONGEST_TTL_MS, LONGEST_TTL_MS)
    assert [row.created_ms for row in await store.all()] == [1_000, 1_000 + LONGEST_TTL_MS - 1, 1_000 + LONGEST_TTL_MS]
    await store.rotate(2 * LONGEST_TTL_MS, 0)
    assert [row.created_ms for row in await store.all()] == [2 * LONGEST_TTL_MS]


async def test_one_that_cannot_be_read_is_named(store: TokenSecrets, valkey: EmbeddedValkey, app_id: str) -> None:
    link = Link(valkey.url, 5)
    await link.execute("HSET", f"{app_id}:token-secrets", "odd", "{}")
    await link.close()
    with pytest.raises(StateError, match="'odd'"):
        await store.all()


async def test_the_command_makes_another(store: TokenSecrets, valkey: EmbeddedValkey, app_id: str) -> None:
    (first,) = await store.have(0)
    words = [sys.executable, "-c", "from streams.cli import main; main()", "keys", "rotate-tokens"]
    for more, kept in (([], True), (["--at-once"], False)):
        command = [*words, *more, "--redis", valkey.url, "--app-id", app_id]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert "Tokens are signed anew" in done.stdout
        rows = await store.all()
        # the first one was superseded just now, though it was made long ago
        assert (first in rows, len(rows)) == (kept, 2 if kept else 1)
