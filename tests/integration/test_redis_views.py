"""Lookups that read a replica: what it says while it follows, and that the store is asked when it does not."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest
import pytest_asyncio

from rules.errors import AccessError, ServiceError, SettingsError
from state.access import AccessKeys
from state.redis import RedisStore
from state.replica import ReplicaReads
from streams.child import free_port
from streams.embedded import EmbeddedValkey
from streams.http.serving import serving
from streams.settings import Settings
from tests.chaos.driver.wire import State, Wire
from tests.chaos.store_scene import ask, replicate, until_so
from tests.conformance.store import take_over

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.embedded  # no broker has a say in it

APP = "segue"
NOWHERE = "127.0.0.1:1"
OLD, NEW = b'{"rev":1}', b'{"rev":2}'


@pytest_asyncio.fixture
async def master() -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey() as running:
        yield running


@pytest_asyncio.fixture
async def wire(master: EmbeddedValkey) -> AsyncIterator[Wire]:
    """Yield what lies between master and replica."""
    async with Wire(master.port) as running:
        yield running


@pytest_asyncio.fixture
async def replica(master: EmbeddedValkey, wire: Wire) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey() as running:
        await replicate(running, master)
        await ask(running, "REPLICAOF", *wire.address.split(":"))
        yield running


@pytest_asyncio.fixture
async def store(master: EmbeddedValkey) -> AsyncIterator[RedisStore]:
    running = RedisStore(master.url, APP, patience_s=5)
    await running.start()
    try:
        yield running
    finally:
        await running.close()


class Looked:
    """The reads under test, and where they were made."""

    def __init__(self, reads: ReplicaReads, counts: Counter[str]) -> None:
        self.reads = reads
        self.counts = counts

    async def used(self) -> bool:
        """Look, and say whether the replica is read."""
        with contextlib.suppress(ServiceError, SettingsError):
            await self.reads.look()
        return self.reads.used

    async def view(self, customer: str) -> tuple[bytes | None, str]:
        """Return a view, and where it came from."""
        before = self.counts.copy()
        view = await self.reads.view(customer)
        [source] = self.counts - before
        return view, source


@contextlib.asynccontextmanager
async def looking(replica: str, master: str, store: RedisStore) -> AsyncIterator[Looked]:
    counts: Counter[str] = Counter()
    reads = ReplicaReads(replica, master, APP, store, lambda source: counts.update((source,)))
    try:
        yield Looked(reads, counts)
    finally:
        await reads.close()


async def caught_up(replica: EmbeddedValkey, key: str) -> None:
    """Wait until the replica has a key."""

    async def met() -> bool:
        return bool(await ask(replica, "EXISTS", key))

    await until_so(met, f"the replica to have {key}")


async def test_a_replica_that_follows_is_read_and_knows_not_less_than_the_store(
    master: EmbeddedValkey, replica: EmbeddedValkey, store: RedisStore
) -> None:
    tenure = await take_over(store)
    await tenure.commit(profiles={"c1": b"profile"})
    await store.write_views({"c1": (1, OLD)})
    await caught_up(replica, f"{APP}:customer:c1")
    async with looking(replica.url, master.url, store) as looked:
        assert await looked.view("c1") == (OLD, "store")  # nothing is known of the replica yet
        await until_so(looked.used, "the replica to be read")
        assert await looked.view("c1") == (OLD, "replica")
        assert await looked.reads.load(7, ["c1", "nobody"]) == [b"profile", None]
        assert await looked.view("nobody") == (None, "store")
        await ask(replica, "CONFIG", "SET", "replica-read-only", "no")
        await ask(replica, "DEL", f"{APP}:customer:c1")  # as if it had not come yet
        assert await looked.view("c1") == (OLD, "store")
        await store.write_views({"c2": (1, OLD)})
        await caught_up(replica, f"{APP}:customer:c2")
        assert await looked.reads.views(["c2", "c1", "nobody"]) == [OLD, OLD, None]


async def test_a_replica_that_dies_is_said_once_and_read_again_when_it_is_back(
    master: EmbeddedValkey, replica: EmbeddedValkey, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    await store.write_views({"c1": (1, OLD)})
    async with looking(replica.url, master.url, store) as looked:
        await until_so(looked.used, "the replica to be read")
        await replica.kill()
        caplog.clear()
        for _ in range(3):
            assert await looked.view("c1") == (OLD, "store")
        with pytest.raises(ServiceError):
            await looked.reads.look()
        assert len([line for line in caplog.messages if "and not its replica (SEGUE_REDIS_VIEWS)" in line]) == 1
        await replica.start()
        await replicate(replica, master)
        await until_so(looked.used, "the replica to be read again")
        assert await looked.view("c1") == (OLD, "replica")


@pytest.mark.parametrize("stale", ["yes", "no"])
async def test_a_replica_that_is_cut_off_is_not_read(
    master: EmbeddedValkey, wire: Wire, replica: EmbeddedValkey, store: RedisStore, stale: str
) -> None:
    """Whether it answers from what it had, or refuses (MASTERDOWN)."""
    await ask(replica, "CONFIG", "SET", "replica-serve-stale-data", stale)
    await store.write_views({"c1": (1, OLD)})
    async with looking(replica.url, master.url, store) as looked:
        await until_so(looked.used, "the replica to be read")
        wire.turn(State.CUT)
        await store.write_views({"c1": (2, NEW)})

        async def given_up() -> bool:
            return not await looked.used()

        await until_so(given_up, "the replica to be given up")
        assert await looked.view("c1") == (NEW, "store")
        wire.turn(State.OPEN)
        await until_so(looked.used, "the replica to be read again")
        assert await looked.view("c1") == (NEW, "replica")


async def test_a_replica_is_read_while_its_master_is_away_from_us_alone(
    master: EmbeddedValkey, replica: EmbeddedValkey, store: RedisStore
) -> None:
    await store.write_views({"c1": (1, OLD)})
    async with Wire(master.port) as ours, looking(replica.url, f"redis://{ours.address}/0", store) as looked:
        await until_so(looked.used, "the replica to be read")
        ours.turn(State.CUT)
        assert await looked.used()
        await ask(replica, "REPLICAOF", "NO", "ONE")
        assert not await looked.used()


async def test_one_that_was_made_a_master_is_read_only_where_the_store_is_that_one(
    master: EmbeddedValkey, replica: EmbeddedValkey, store: RedisStore
) -> None:
    async with Wire(master.port) as ours, looking(replica.url, f"redis://{ours.address}/0", store) as looked:
        await until_so(looked.used, "the replica to be read")
        await ask(replica, "REPLICAOF", "NO", "ONE")
        with pytest.raises(SettingsError, match=r"is no replica of .*: send it REPLICAOF"):
            await looked.reads.look()
        assert not looked.reads.used
        ours.to_port = replica.port
        ours.turn(State.CUT)
        ours.turn(State.OPEN)
        await until_so(looked.used, "it to be read as the store itself")


async def test_a_lookup_is_answered_by_the_replica_and_a_wait_by_the_store(
    master: EmbeddedValkey, replica: EmbeddedValkey, store: RedisStore
) -> None:
    view = b'{"rev":1,"seq":1}'
    await store.write_views({"c1": (1, view)})
    await caught_up(replica, f"{APP}:customer:c1")
    keys = AccessKeys(master.url, APP, patience_s=5)
    key = await keys.add("chat", "read", 0)
    await keys.close()
    settings = Settings(broker=NOWHERE, redis=master.url, redis_views=replica.url, http_port=free_port())
    async with serving(settings, ["lookup"]) as url, httpx.AsyncClient(base_url=url, auth=(key, "")) as client:

        async def read() -> dict[str, int]:
            metrics = (await client.get("/metrics")).text
            found = re.findall(r'^segue_lookup_reads_total\{source="(\w+)"\} (\d+)', metrics, re.MULTILINE)
            return {source: int(count) for source, count in found}

        async def by_the_replica() -> bool:
            assert (await client.get("/v1/customers/c1")).content == view
            return (await read())["replica"] > 0

        await until_so(by_the_replica, "the replica to be read")
        before = await read()
        assert (await client.get("/v1/customers/c1?wait_for_seq=1")).content == view
        assert await read() == before, "neither it, nor the store in its place"


async def test_another_redis_is_refused_at_start(master: EmbeddedValkey, store: RedisStore) -> None:
    async with EmbeddedValkey() as other:
        settings = Settings(broker=NOWHERE, redis=master.url, redis_views=other.url, http_port=0)
        with pytest.raises(SettingsError, match=r"SEGUE_REDIS_VIEWS: redis://\S+ is no replica of redis://"):
            async with serving(settings, ["lookup"]):
                pass
        await ask(other, "CONFIG", "SET", "requirepass", "hush")
        async with looking(other.url, master.url, store) as looked:
            with pytest.raises(AccessError):
                await looked.reads.look()
