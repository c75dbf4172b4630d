"""The store in Redis holds every law of a store, on a real server, and does what the one in memory does."""

from __future__ import annotations

import random
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import Fenced
from state.memory import MemoryStore
from state.redis import RedisStore
from state.store import NO_OFFSET, Commit, Head, Store
from tests.conformance.store import LAWS, Law, everything

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


@pytest.mark.parametrize("seed", range(8))
async def test_agrees_with_the_store_in_memory(seed: int, store: RedisStore) -> None:
    """Both give the same answers to the same random take-overs, commits, repeats and misfits."""
    draw, memory = random.Random(seed), MemoryStore()
    sent: list[Commit] = []
    outcomes = set()
    for _ in range(150):
        if draw.random() < 0.08:
            assert await store.take_over(1) == await memory.take_over(1)
        repeat = bool(sent) and draw.random() < 0.15
        commit = draw.choice(sent[-3:]) if repeat else random_commit(draw, await memory.head(1))
        sent.append(commit)
        outcome = await outcome_of(memory, commit)
        assert await outcome_of(store, commit) == outcome
        assert await everything(store, 1) == await everything(memory, 1)
        outcomes.add(outcome)
    assert outcomes == {"done", "fenced"}


async def outcome_of(store: Store, commit: Commit) -> str:
    try:
        await store.commit(commit)
    except Fenced:
        return "fenced"
    return "done"


def random_commit(draw: random.Random, head: Head) -> Commit:
    """Return a commit that mostly fits, with random content."""

    def some() -> list[str]:
        return draw.sample(["a", "b", "c:1", "{d}", "é"], draw.randrange(4))

    def misfit(value: int) -> int:
        return value if draw.random() < 0.95 else value + draw.choice((-1, 1, 7))

    offset = head.offset if head.offset != NO_OFFSET else draw.choice((NO_OFFSET, 0, 40))
    content: dict[str, Any] = {
        "profiles": {customer: draw.randbytes(3) for customer in some()},
        "due": {customer: draw.choice((None, draw.randrange(-5, 20))) for customer in some()},
        "sizes": {segment: draw.randrange(-2, 3) for segment in some()},
        "outbox": [draw.randbytes(4) for _ in range(draw.randrange(3))],
        "views": some(),
        "viewed": some(),
        "published": draw.choice((0, 0, 1, 2)),
        "marker": draw.choice((None, draw.randrange(100))),
        "topics": draw.choice((None, {"t": draw.choice("xyz")})),
    }
    return Commit(
        partition=1,
        epoch=misfit(head.epoch),
        number=misfit(head.number + 1),
        token=f"{draw.randrange(10**9)}",
        ruleset=max(0, misfit(head.ruleset)),
        from_offset=misfit(offset),
        next_offset=offset + draw.randrange(3),
        **content,
    )
