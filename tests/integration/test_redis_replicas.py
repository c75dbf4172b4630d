"""Commits that wait for replicas: what counts as done is on so many of them, and what is not there is said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rules.errors import ServiceError
from state import scripts
from state.redis import RedisStore
from streams.embedded import EmbeddedValkey
from tests.chaos.driver.wire import State, Wire
from tests.chaos.store_scene import ask, replicate, until_so
from tests.conformance.store import take_over
from tests.integration.flaky import Fault, FlakyProxy
from tests.integration.pipeline import until
from tests.integration.redis_cluster import valkey_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.integration.redis_cluster import ValkeyCluster

pytestmark = pytest.mark.embedded  # no broker has a say in it

APP = "segue"
FEW = r"only 0 of 1 replicas had it after \d+ ms \(SEGUE_REDIS_REPLICAS\)"


@pytest_asyncio.fixture
async def master() -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey() as running:
        yield running


@pytest_asyncio.fixture
async def replica(master: EmbeddedValkey) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey() as running:
        await replicate(running, master)
        yield running


@contextlib.asynccontextmanager
async def opened(url: str, *, patience_s: float = 10) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, APP, patience_s=patience_s, replicas=1, replicas_patience_ms=100)
    await store.start()
    try:
        yield store
    finally:
        await store.close()


@contextlib.contextmanager
def standing_still(server: EmbeddedValkey) -> Iterator[None]:
    """Have a server stand still: it stays connected, and takes nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_what_is_done_is_on_the_replica(master: EmbeddedValkey, replica: EmbeddedValkey) -> None:
    async with opened(master.url) as store:
        tenure = await take_over(store)
        for number in range(50):
            await tenure.commit(outbox=[b"x"])
            assert int(await ask(replica, "HGET", f"{APP}:{{7}}:head", "number")) == number + 1
        await store.activate("v1", "{}")
        assert await ask(replica, "HGET", f"{APP}:rules", "version") == b"v1"


async def test_without_a_replica_nothing_counts_and_the_error_says_so(master: EmbeddedValkey) -> None:
    async with opened(master.url, patience_s=2) as store:
        for write in (store.take_over(7), store.activate("v1", "{}")):
            with pytest.raises(ServiceError, match=FEW):
                await write
        await store.write_views({"c1": (1, b'{"rev":1}')})  # which is made again from what is stored


async def test_a_commit_goes_on_when_the_replica_does_and_counts_once(
    master: EmbeddedValkey, replica: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(master.url) as store, opened(master.url, patience_s=2) as hasty:
        tenure = await take_over(store)
        commit = tenure.next(outbox=[b"first"], sizes={"vip": 1})
        with standing_still(replica):
            with pytest.raises(ServiceError, match=FEW):
                await hasty.commit(commit)
            waiting = asyncio.create_task(store.commit(commit))
            await until(lambda: "only 0 of 1 replicas had it" in caplog.text)
            assert not waiting.done()
        await waiting
        assert await store.outbox(7) == [b"first"]
        assert await store.sizes([7]) == {"vip": 1}


@pytest.mark.parametrize("what", ["commit", "activate"])
async def test_a_repeat_on_another_connection_has_something_to_wait_for(
    master: EmbeddedValkey, replica: EmbeddedValkey, what: str
) -> None:
    """WAIT looks at what its own connection wrote; the one that wrote it first is gone."""
    async with FlakyProxy(master.url) as proxy, opened(proxy.url, patience_s=1) as store:
        tenure = await take_over(store)
        commit = tenure.next(token=secrets.token_hex(8), outbox=[b"first"])
        marker, write = {
            "commit": (commit.token, lambda: store.commit(commit)),
            "activate": (scripts.ACTIVATE.sha, lambda: store.activate("v1", "{}")),
        }[what]
        with standing_still(replica):
            proxy.inject(Fault.LOSE_REPLY, marker.encode())
            with pytest.raises(ServiceError, match=FEW):
                await write()  # type: ignore[no-untyped-call]
            assert proxy.left == 0


async def acknowledged_through(store: RedisStore, failover: Callable[[], Awaitable[None]]) -> None:
    """Commit on through a failover; see that each acknowledged commit is there, once."""
    acknowledged: list[bytes] = []

    async def commit_on() -> None:
        tenure = await take_over(store)
        while True:
            change = b"change %d" % len(acknowledged)
            await tenure.commit(outbox=[change], profiles={f"c{len(acknowledged)}": b"x" * 300}, sizes={"vip": 1})
            acknowledged.append(change)

    def gets_on() -> Callable[[], bool]:
        reached = len(acknowledged)
        return lambda: committing.done() or len(acknowledged) > reached + 5

    committing = asyncio.create_task(commit_on())
    await until(gets_on())
    await failover()
    await until(gets_on())
    committing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await committing
    kept = await store.outbox(7)
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) - len(acknowledged) in (0, 1)  # the one that was cancelled in flight
    assert await store.sizes([7]) == {"vip": len(kept)}


async def test_what_was_acknowledged_survives_the_death_of_the_master(
    master: EmbeddedValkey, replica: EmbeddedValkey
) -> None:
    async with EmbeddedValkey() as third, Wire(master.port) as wire, opened(f"redis://{wire.address}/0") as store:

        async def failover() -> None:
            await master.kill()
            await ask(replica, "REPLICAOF", "NO", "ONE")
            wire.to_port = replica.port
            wire.turn(State.CUT)
            wire.turn(State.OPEN)
            await replicate(third, replica)

        await acknowledged_through(store, failover)


@pytest_asyncio.fixture
async def cluster() -> AsyncIterator[ValkeyCluster]:
    async with valkey_cluster(replicas=True) as running:
        yield running


async def test_what_was_acknowledged_survives_the_death_of_a_clusters_master(cluster: ValkeyCluster) -> None:
    """Nobody does anything: the replica takes over by itself, and the former master comes back as its replica."""
    key = f"{APP}:{{7}}:head"
    async with opened(cluster.url, patience_s=30) as store:

        async def failover() -> None:
            dead = await cluster.master_of(key)
            await dead.kill()
            await cluster.replaced(key, dead)
            await dead.start()

        await acknowledged_through(store, failover)

        async def promote() -> None:
            """Ask for it: nothing is lost, so this needs no WAIT."""
            here = await cluster.master_of(key)
            there = await cluster.replica_now(here)
            await there.ask("CLUSTER", "FAILOVER")

            async def moved() -> bool:
                return await cluster.owner(key) is there

            await until_so(moved, "the replica to be the master")

        await store.drop()
        await acknowledged_through(store, promote)
