"""What is remembered of requests that ended in 503: for ten minutes, and not without bound."""

from __future__ import annotations

import asyncio

from streams.http.ingest.memory import RetryMemory


def taken() -> asyncio.Future[None]:
    receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    receipt.set_result(None)
    return receipt


async def test_it_is_kept_for_ten_minutes() -> None:
    now = 0.0
    memory = RetryMemory(clock=lambda: now)
    receipt = taken()
    memory.note([("c1", "m-1")], receipt)
    now = 599.9
    assert memory.find("c1", "m-1") is receipt
    assert memory.find("c1m", "-1") is None
    now = 600.0
    assert memory.find("c1", "m-1") is None
    assert len(memory) == 0


async def test_the_oldest_make_room() -> None:
    memory = RetryMemory(most=3)
    memory.note([("c1", f"m-{number}") for number in range(5)], taken())
    assert len(memory) == 3
    assert memory.find("c1", "m-1") is None
    assert memory.find("c1", "m-2") is not None


async def test_what_fails_is_forgotten_but_not_what_was_noted_since() -> None:
    memory = RetryMemory()
    pending: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    memory.note([("c1", "m-1"), ("c1", "m-2")], pending)
    later = taken()
    memory.note([("c1", "m-2")], later)
    pending.set_exception(OSError())
    await asyncio.sleep(0)
    assert memory.find("c1", "m-1") is None
    assert memory.find("c1", "m-2") is later
