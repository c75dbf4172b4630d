"""Views are read over one connection that all share: each gets its own reply, whatever happens to the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from rules.errors import ServiceError, StateError
from state.lane import Lane
from state.redis import RedisStore
from tests.integration.flaky import Fault, FlakyProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey

pytestmark = [pytest.mark.embedded]

IDS = [f"c{number}" for number in range(200)]


@pytest.fixture
async def proxy(valkey: EmbeddedValkey) -> AsyncIterator[FlakyProxy]:
    async with FlakyProxy(valkey.url) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy: FlakyProxy, app_id: str) -> AsyncIterator[RedisStore]:
    """Yield a store behind the proxy, in which every second customer has a view; it is never started, as in lookup."""
    store = RedisStore(f"{proxy.url}?socket_timeout=0.3", app_id, patience_s=5)
    await store.write_views({customer: (1, view_of(customer)) for customer in IDS[::2]})
    yield store
    await store.drop()
    await store.close()


def view_of(customer: str) -> bytes:
    return b'{"customer_id":"%s","rev":1}' % customer.encode()


def expected(customer: str) -> bytes | None:
    return view_of(customer) if int(customer[1:]) % 2 == 0 else None


async def connections(valkey: EmbeddedValkey) -> int:
    async with Redis.from_url(valkey.url) as client:
        return len(await client.client_list())


async def test_each_of_many_at_once_gets_their_own_over_one_connection(
    store: RedisStore, valkey: EmbeddedValkey
) -> None:
    before = await connections(valkey)
    for _ in range(3):
        assert await asyncio.gather(*map(store.view, IDS)) == list(map(expected, IDS))
    assert await connections(valkey) == before + 1


async def test_one_who_gives_up_takes_nobody_elses_reply(store: RedisStore) -> None:
    for turns in range(8):
        asked = {customer: asyncio.create_task(store.view(customer)) for customer in IDS}
        for _ in range(turns):
            await asyncio.sleep(0)
        for customer in IDS[::3]:
            asked[customer].cancel()
        found = await asyncio.gather(*asked.values(), return_exceptions=True)
        for customer, answer in zip(IDS, found, strict=True):
            assert isinstance(answer, asyncio.CancelledError) or answer == expected(customer)
        assert await store.view("c2") == view_of("c2")


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
async def test_what_a_server_loses_is_asked_again(store: RedisStore, proxy: FlakyProxy, fault: Fault) -> None:
    assert await store.view("c0") == view_of("c0")
    proxy.inject(fault, b":c2\r\n", times=2)
    assert await store.view("c2") == view_of("c2")
    assert proxy.left == 0
    proxy.inject(fault, b":c4\r\n")
    if fault is not Fault.LOADING:  # the proxy says so once for all that came together
        assert await asyncio.gather(*map(store.view, IDS)) == list(map(expected, IDS))


async def test_a_server_that_was_restarted_is_found_again(store: RedisStore, valkey: EmbeddedValkey) -> None:
    assert await store.view("c0") == view_of("c0")
    await valkey.kill()
    asking = asyncio.gather(*map(store.view, IDS))
    await valkey.restart()
    assert await asking == list(map(expected, IDS))


async def test_a_server_that_is_away_is_told_once_patience_ends(proxy: FlakyProxy, app_id: str) -> None:
    store = RedisStore(proxy.url, app_id, patience_s=0.1)
    proxy.inject(Fault.LOSE_REQUEST, b"\r\n", times=10**6)
    found = await asyncio.gather(*map(store.view, IDS), return_exceptions=True)
    assert {type(error) for error in found} == {ServiceError}
    await store.close()


async def test_what_is_no_view_is_an_error_and_no_one_elses(store: RedisStore, proxy: FlakyProxy, app_id: str) -> None:
    async with Redis.from_url(proxy.url) as client:
        await client.rpush(f"{app_id}:customer:c1", "x")
    found = await asyncio.gather(*map(store.view, IDS[:4]), return_exceptions=True)
    assert isinstance(found[1], StateError)
    assert [found[0], *found[2:]] == [expected(customer) for customer in ("c0", "c2", "c3")]


async def test_users_and_databases_are_those_of_the_url(valkey: EmbeddedValkey, app_id: str) -> None:
    async with Redis.from_url(valkey.url) as client:
        await client.acl_setuser("reader", enabled=True, passwords=["+p%/w"], keys=["*"], commands=["+@all"])
        try:
            store = RedisStore(f"redis://reader:p%25%2Fw@{valkey.address}/5", app_id, patience_s=1)
            await store.write_views({"c1": (1, view_of("c1"))})
            assert await store.view("c1") == view_of("c1")
            assert await client.get(f"{app_id}:customer:c1") is None  # that is database 0
            await store.drop()
            await store.close()
            wrong = RedisStore(f"redis://reader:no@{valkey.address}/5", app_id, patience_s=60)
            with pytest.raises(ServiceError, match="correct the user in SEGUE_REDIS"):
                await wrong.view("c1")
            await wrong.close()
        finally:
            await client.acl_deluser("reader")


async def test_what_is_under_way_ends_with_the_store(proxy: FlakyProxy, app_id: str) -> None:
    store = RedisStore(proxy.url, app_id, patience_s=5)
    assert await store.view("c1") is None
    proxy.inject(Fault.STALL, b":c2\r\n")
    asking = asyncio.create_task(store.view("c2"))
    while proxy.left:  # noqa: ASYNC110 - the proxy has no event
        await asyncio.sleep(0)
    await store.close()
    with pytest.raises(ServiceError):
        await asking


async def test_a_reply_that_nobody_asked_for_ends_the_connection(valkey: EmbeddedValkey, app_id: str) -> None:
    lanes: list[Lane] = []
    store = RedisStore(valkey.url, app_id, patience_s=5)
    made = Lane.__init__

    def remembered(lane: Lane, *words: object) -> None:
        lanes.append(lane)
        made(lane, *words)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Lane, "__init__", remembered)
        assert await store.view("c1") is None
        lanes[0].data_received(b"+surprise\r\n")
        assert lanes[0].lost
        assert await store.view("c1") is None
        lanes[1].data_received(b"?what\r\n")
        assert lanes[1].lost
        assert await store.view("c1") is None
    await store.close()
