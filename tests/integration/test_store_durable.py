"""The store in Redis and its server's files: what was acknowledged is there after a kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import secrets
import time
from typing import TYPE_CHECKING, Literal

import pytest
from redis.asyncio import Redis

from rules.errors import ServiceError
from state import scripts
from state.redis import RedisStore
from streams.embedded import EmbeddedValkey
from tests.conformance.store import everything, take_over, with_content
from tests.integration.flaky import Fault, FlakyProxy
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

APP = "segue"


@pytest.fixture
async def own() -> AsyncIterator[EmbeddedValkey]:
    """Yield a server that the test may reconfigure and kill."""
    async with EmbeddedValkey() as valkey:
        yield valkey


@pytest.fixture
async def raw(own: EmbeddedValkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(own.url) as client:
        yield client


@contextlib.asynccontextmanager
async def opened(url: str, *, patience_s: float = 10, require_durable: bool = True) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, APP, patience_s=patience_s, require_durable=require_durable)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


async def calls(raw: Redis, command: str) -> int:
    """Return how often the server has run the command, in scripts too."""
    counted: int = (await raw.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})["calls"]
    return counted


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        pytest.param({"appendonly": "no"}, "set appendonly yes and appendfsync always", id="no file"),
        pytest.param({"appendfsync": "no"}, "set appendfsync always", id="never synced"),
        pytest.param(
            {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}, "set maxmemory-policy noeviction", id="evicts"
        ),
    ],
)
async def test_a_server_that_may_forget_is_refused(
    own: EmbeddedValkey, raw: Redis, options: dict[str, str], remedy: str
) -> None:
    for name, value in options.items():
        await raw.config_set(name, value)
    with pytest.raises(ServiceError, match=f"{own.address}.*may lose what it acknowledged.*{remedy}"):
        async with opened(own.url):
            pass
    async with opened(own.url, require_durable=False) as store:
        await with_content(store)
        assert await calls(raw, "waitaof") == 0


@pytest.mark.parametrize(
    "options", [{"maxmemory": "1gb", "maxmemory-policy": "volatile-lru"}, {"maxmemory-policy": "allkeys-lru"}], ids=str
)
async def test_a_policy_that_evicts_nothing_of_ours_is_fine(
    own: EmbeddedValkey, raw: Redis, options: dict[str, str]
) -> None:
    for name, value in options.items():
        await raw.config_set(name, value)
    async with opened(own.url) as store:
        await with_content(store)


class SlowToLoad(EmbeddedValkey):
    """Takes a second to read its file when it is started again, and answers once in a while."""

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--key-load-delay", "300"]


async def test_a_server_that_reads_its_files_is_waited_for() -> None:
    async with SlowToLoad() as slow:
        async with Redis.from_url(slow.url) as raw, raw.pipeline(transaction=False) as pipe:
            for number in range(3_000):
                pipe.set(f"other:{number}", "x")
            await pipe.execute()
        await slow.kill()
        async with asyncio.TaskGroup() as both:
            both.create_task(slow.start())
            async with opened(slow.url) as store:
                assert await store.sizes([0]) == {}


async def test_a_scan_begins_anew_where_the_server_did(own: EmbeddedValkey) -> None:
    """A cursor is a place in a table that another run lays out otherwise: going on there would leave customers out."""
    names = {f"c{number}" for number in range(2_000)}
    async with opened(own.url) as store:
        tenure = await take_over(store)
        await tenure.commit(profiles=dict.fromkeys(names, b"x"))
        await store.write_views(dict.fromkeys(names, (1, b'{"rev":1}')))
        for scan in (functools.partial(store.customers, 7), store.viewed):
            cursor, _ = await scan(0, 100)
            found: set[str] = set()
            await own.restart()
            while cursor:
                cursor, some = await scan(cursor, 100)
                found.update(some)
            assert found == names


async def test_a_server_that_syncs_always_is_not_waited_for(own: EmbeddedValkey, raw: Redis) -> None:
    async with opened(own.url) as store:
        await with_content(store)
    assert await calls(raw, "waitaof") == 0


async def test_a_server_that_syncs_each_second_is_waited_for(own: EmbeddedValkey, raw: Redis) -> None:
    await raw.config_set("appendfsync", "everysec")
    async with opened(own.url) as store:
        tenure = await take_over(store)
        after_take_over = await calls(raw, "waitaof")
        await tenure.commit()
        after_commit = await calls(raw, "waitaof")
        await store.activate("aaa", "source")
        after_activation = await calls(raw, "waitaof")
        assert 0 < after_take_over < after_commit < after_activation
        await store.write_views({"c1": (1, b'{"rev":1}')})
        assert await calls(raw, "waitaof") == after_activation


async def test_a_repeat_writes_so_that_its_own_connection_has_something_to_wait_for(
    own: EmbeddedValkey, raw: Redis
) -> None:
    """WAITAOF looks at the writes of its connection only; the first one's connection is gone."""
    await raw.config_set("appendfsync", "everysec")
    async with FlakyProxy(own.url) as proxy, opened(proxy.url) as store:
        tenure = await with_content(store)
        commit = tenure.next(token=secrets.token_hex(8), outbox=[b"third"])
        proxy.inject(Fault.LOSE_REPLY, commit.token.encode())
        before = await calls(raw, "hset")
        await store.commit(commit)
        assert await calls(raw, "hset") == before + 2
        assert await store.outbox(7) == [b"first", b"second", b"third"]
        proxy.inject(Fault.LOSE_REPLY, scripts.ACTIVATE.sha.encode())
        before = await calls(raw, "hset")
        await store.activate("aaa", "source")
        assert await calls(raw, "hset") == before + 2


async def test_a_user_who_may_not_ask_is_served_the_slow_way(own: EmbeddedValkey, raw: Redis) -> None:
    """Managed services forbid CONFIG."""
    await raw.acl_setuser("worker", enabled=True, passwords="+word", keys="*", commands=["+@all", "-config"])
    async with opened(f"redis://worker:word@{own.address}/0") as store:
        await with_content(store)
    assert await calls(raw, "waitaof") > 0


async def test_a_full_server_refuses_before_the_first_write(own: EmbeddedValkey, raw: Redis) -> None:
    async with opened(own.url) as store:
        tenure = await with_content(store)
        before = await everything(store)
        await raw.config_set("maxmemory", 1)
        commit = tenure.next(outbox=[b"third"], viewed=["c1"], published=2)
        with pytest.raises(ServiceError, match="raise its maxmemory"):
            await store.commit(commit)
        assert await everything(store) == before
        await raw.config_set("maxmemory", 0)
        await store.commit(commit)


@pytest.mark.parametrize("passing", ["replicas", "failover"])
async def test_what_passes_by_itself_is_waited_for(own: EmbeddedValkey, raw: Redis, passing: str) -> None:
    begin, end = {
        "replicas": (["CONFIG", "SET", "min-replicas-to-write", "1"], ["CONFIG", "SET", "min-replicas-to-write", "0"]),
        "failover": (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
    }[passing]
    async with opened(own.url) as store, opened(own.url, patience_s=2) as hasty:
        tenure = await with_content(store)
        before = await everything(store)
        await send(raw, *begin)
        commit = tenure.next(outbox=[b"third"])
        with pytest.raises(ServiceError, match=r"no answer from .* within 2 s"):
            await hasty.commit(commit)
        assert await everything(store) == before
        waiting = asyncio.create_task(store.commit(commit))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        await send(raw, *end)
        await waiting
        assert await store.outbox(7) == [b"first", b"second", b"third"]


async def send(raw: Redis, *command: str) -> None:
    """Send any command."""
    async with raw.pipeline(transaction=False) as pipe:
        pipe.execute_command(*command)
        await pipe.execute()


@pytest.mark.chaos
@pytest.mark.parametrize("appendfsync", ["always", "everysec"])
async def test_what_was_acknowledged_survives_kills(appendfsync: Literal["always", "everysec"]) -> None:
    """Commits go on through three kills: each acknowledged one is there, each once, and nothing else."""
    async with EmbeddedValkey(appendfsync=appendfsync) as valkey, opened(valkey.url) as store:
        acknowledged: list[bytes] = []

        async def commit_on() -> None:
            tenure = await take_over(store)
            while True:
                change = b"change %d" % len(acknowledged)
                await tenure.commit(outbox=[change], profiles={f"c{len(acknowledged)}": b"x" * 300}, sizes={"vip": 1})
                acknowledged.append(change)

        committing = asyncio.create_task(commit_on())
        for _ in range(3):
            reached = len(acknowledged)
            await until(lambda reached=reached: committing.done() or len(acknowledged) > reached + 1)
            await valkey.kill()
            await asyncio.sleep(0.1)
            await valkey.restart()
        reached = len(acknowledged)
        await until(lambda: committing.done() or len(acknowledged) > reached)
        committing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await committing

        kept = await store.outbox(7)
        assert kept[: len(acknowledged)] == acknowledged
        assert len(kept) - len(acknowledged) in (0, 1)  # the one that was cancelled in flight
        assert await store.sizes([7]) == {"vip": len(kept)}
        assert (await store.head(7)).number == len(kept)
        assert await store.load(7, [f"c{index}" for index in range(len(kept))]) == [b"x" * 300] * len(kept)


async def until(happened: object) -> None:
    """Wait until it has happened."""
    assert callable(happened)
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
