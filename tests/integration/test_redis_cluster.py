"""All that is kept in Redis, on a cluster of three: every law holds, whoever has a key, and while slots move."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio
from redis.exceptions import ResponseError

from rules.errors import ServiceError, SettingsError
from state.access import AccessKeys
from state.connect import Link
from state.history import Batch as HistoryBatch
from state.history import History, Seen
from state.memory import MemoryStore
from state.redis import RedisStore
from state.token_secrets import TokenSecrets
from state.webhooks.endpoints import Endpoint, Endpoints
from state.webhooks.queues import Batch, Delivery, Lane, RedisQueues, Settled
from tests.conformance.store import LAWS, Law, all_customers, everything, take_over
from tests.integration.pipeline import until
from tests.integration.redis_cluster import Node, ValkeyCluster, valkey_cluster
from tests.integration.test_http_end_to_end import an_order_is_heard_of
from tests.integration.test_store_redis import outcome_of, random_commit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

pytestmark = pytest.mark.embedded

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
PARTITION = 7
TAG = "{7}"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cluster() -> AsyncIterator[ValkeyCluster]:
    """Run three servers; a test that moves a slot leaves it where it came to."""
    async with valkey_cluster() as running:
        yield running


@pytest.fixture
async def store(cluster: ValkeyCluster) -> AsyncIterator[RedisStore]:
    """Yield an empty store under an app id of its own, with characters that globs read otherwise."""
    store = RedisStore(cluster.url, f"[t]*?^-{secrets.token_hex(4)}")
    await store.start()
    yield store
    await store.drop()
    await store.close()


@pytest.mark.parametrize("law", [pytest.param(law, id=f"cluster:{law.__name__}") for law in LAWS])
async def test_law(law: Law, store: RedisStore) -> None:
    await law(store)


@pytest.mark.parametrize("seed", range(2))
async def test_agrees_with_the_store_in_memory(seed: int, store: RedisStore) -> None:
    draw, memory = random.Random(seed), MemoryStore()
    for _ in range(100):
        partition = 1
        if draw.random() < 0.08:
            assert await store.take_over(partition) == await memory.take_over(partition)
        commit = random_commit(draw, await memory.head(partition))
        assert await outcome_of(store, commit) == await outcome_of(memory, commit)
        assert await everything(store, partition) == await everything(memory, partition)


async def test_partitions_lie_on_every_server_and_a_partition_on_one(store: RedisStore, cluster: ValkeyCluster) -> None:
    before = [await keys_of(node) for node in cluster.masters]
    for partition in range(12):
        tenure = await take_over(store, partition)
        await tenure.commit(profiles={f"c{number}": b"x" for number in range(20)}, sizes={"vip": 1}, outbox=[b"a"])
    owners: dict[str, set[int]] = {}
    for index, node in enumerate(cluster.masters):
        for key in await keys_of(node) - before[index]:
            owners.setdefault(key.partition("{")[2].partition("}")[0], set()).add(index)
    assert len(owners) == 12
    assert all(len(some) == 1 for some in owners.values())
    assert set.union(*owners.values()) == {0, 1, 2}
    assert await store.sizes(range(12)) == {"vip": 12}


async def keys_of(node: Node) -> set[str]:
    return {key.decode(errors="replace") for key in await node.ask("KEYS", "*")}


async def test_views_of_everybody_are_found_on_all_servers_and_dropped(
    store: RedisStore, cluster: ValkeyCluster
) -> None:
    names = [f"c{number}" for number in range(2_500)]
    await store.write_views(dict.fromkeys(names, (1, b'{"rev":1}')))
    assert await store.views(["c7", "nobody", "c2499"]) == [b'{"rev":1}', None, b'{"rev":1}']
    await store.write_views({"c7": (3, b'{"rev":3}'), "c8": (0, b'{"rev":0}')})
    assert await store.views(["c7", "c8"]) == [b'{"rev":3}', b'{"rev":1}']
    cursor, some = await store.viewed(0, 100)
    seen = set(some)
    while cursor:
        assert cursor < 2**64  # it goes through a cursor of HTTP
        cursor, some = await store.viewed(cursor, 100)
        seen.update(some)
    assert seen == set(names)
    await store.drop()
    left = set.union(*[await keys_of(node) for node in cluster.masters])
    assert not [key for key in left if key.startswith(store._names.app)]  # noqa: SLF001 - to look past it


async def opened(cluster: ValkeyCluster, app_id: str, **options: Any) -> RedisStore:
    store = RedisStore(cluster.url, app_id, **options)
    await store.start()
    return store


async def test_commits_go_on_while_the_slot_moves(cluster: ValkeyCluster, app_id: str) -> None:
    """Key by key, as `--cluster reshard` does it: what comes meanwhile is redirected, waits, and is there once."""
    store, done = await opened(cluster, app_id), asyncio.Event()
    key = f"{app_id}:{TAG}:head"
    try:
        tenure = await take_over(store, PARTITION)
        made = itertools.count()
        last = 0

        async def commit_on() -> None:
            nonlocal last
            while not done.is_set():
                last = next(made)
                await tenure.commit(outbox=[b"change %d" % last], profiles={f"c{last}": b"x"}, sizes={"vip": 1})

        def gets_on(reached: int) -> Callable[[], bool]:
            return lambda: last > reached + 5 or committing.done()

        committing = asyncio.create_task(commit_on())
        try:
            for _ in range(3):
                await until(gets_on(last))
                before = await cluster.master_of(key)
                source, target, slot = await cluster.begin_to_move(key)
                await cluster.move_keys(source, target, slot, most=4)
                await cluster.end_move(source, target, slot)
                assert await cluster.master_of(key) is not before
            await until(gets_on(last))
        finally:
            done.set()
            await committing
        count = last + 1
        assert await store.outbox(PARTITION) == [b"change %d" % number for number in range(count)]
        assert await store.sizes([PARTITION]) == {"vip": count}
        assert (await store.head(PARTITION)).number == count
        assert await all_customers(store, PARTITION) == {f"c{number}" for number in range(count)}
    finally:
        await store.drop()
        await store.close()


async def test_a_slot_in_the_middle_of_its_move_is_read_and_a_commit_waits(cluster: ValkeyCluster, app_id: str) -> None:
    store, hasty = await opened(cluster, app_id), await opened(cluster, app_id, patience_s=2)
    try:
        tenure = await take_over(store, PARTITION)
        names = [f"c{number}" for number in range(10)]
        await tenure.commit(outbox=[b"first"], profiles=dict.fromkeys(names, b"x"), sizes={"vip": 1})
        source, target, slot = await cluster.begin_to_move(f"{app_id}:{TAG}:head")
        await cluster.move_keys(source, target, slot, most=7)
        # what one key says is asked of whoever has it
        assert (await hasty.head(PARTITION)).number == 1
        assert await hasty.outbox(PARTITION) == [b"first"]
        assert await hasty.sizes([PARTITION]) == {"vip": 1}
        commit = tenure.next(outbox=[b"second"])
        waits = (hasty.commit(commit), hasty.customers(PARTITION, 0, 100), hasty.load(PARTITION, names))
        for error in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(error, ServiceError)
            assert re.search(r"no answer from redis\+cluster://.* within 2 s", str(error))
        waiting = asyncio.create_task(store.commit(commit))
        await cluster.end_move(source, target, slot)
        await waiting
        assert await store.outbox(PARTITION) == [b"first", b"second"]
        assert await store.load(PARTITION, names) == [b"x"] * 10
    finally:
        await store.drop()
        await store.close()
        await hasty.close()


async def test_a_commit_in_a_slot_about_to_move_is_whole_or_waits(cluster: ValkeyCluster, app_id: str) -> None:
    """All its keys are still there, and it empties some: to the server, those have moved, in mid-script."""
    store, hasty = await opened(cluster, app_id), await opened(cluster, app_id, patience_s=2)
    try:
        tenure = await take_over(store, PARTITION)
        await tenure.commit(outbox=[b"first"], profiles={"c1": b"1"}, due={"c1": 5}, sizes={"vip": 1}, views=["c1"])
        source, target, slot = await cluster.begin_to_move(f"{app_id}:{TAG}:head")
        commit = tenure.next(
            published=1, outbox=[b"second"], profiles={"c1": b"2"}, sizes={"vip": -1}, viewed=["c1"], views=["c1"]
        )
        with pytest.raises(ServiceError, match=r"no answer from redis\+cluster://.* within 2 s"):
            await hasty.commit(commit)
        assert await store.load(PARTITION, ["c1"]) == [b"1"]
        assert await store.outbox(PARTITION) == [b"first"]
        waiting = asyncio.create_task(store.commit(commit))
        await cluster.end_move(source, target, slot)
        await waiting
        assert await store.load(PARTITION, ["c1"]) == [b"2"]
        assert await store.outbox(PARTITION) == [b"second"]
        assert await store.sizes([PARTITION]) == {}
    finally:
        await store.drop()
        await store.close()
        await hasty.close()


async def test_a_scan_begins_anew_where_the_slot_has_moved(cluster: ValkeyCluster, app_id: str) -> None:
    store = await opened(cluster, app_id)
    try:
        tenure = await take_over(store, PARTITION)
        names = {f"c{number}" for number in range(500)}
        await tenure.commit(profiles=dict.fromkeys(names, b"x"))
        cursor, first = await store.customers(PARTITION, 0, 50)
        assert cursor
        await cluster.move(f"{app_id}:{TAG}:head")
        found: set[str] = set()
        while cursor:
            cursor, some = await store.customers(PARTITION, cursor, 50)
            found.update(some)
        assert first
        assert found == names
    finally:
        await store.drop()
        await store.close()


async def test_a_worker_gets_by_with_the_rights_that_the_document_lists(cluster: ValkeyCluster) -> None:
    text = DOCUMENT.read_text()
    [rights] = re.findall(r"^ACL SETUSER segue-worker on >PASSWORD (.*)$", text, re.MULTILINE)
    [more] = re.findall(r"On a cluster add `([^`]+)`", text)
    for node in cluster.masters:
        await node.ask("ACL", "SETUSER", "segue-worker", "on", ">word", *rights.split(), *more.split())
    url = cluster.url.replace("://", "://segue-worker:word@")
    store = RedisStore(url, "segue", patience_s=20)  # the app id of the document
    by_all = await opened(cluster, "segue")
    try:
        await store.start()
        tenure = await take_over(store, PARTITION)
        for number in range(5):
            await tenure.commit(outbox=[b"x"], profiles={f"c{number}": b"x"}, sizes={"vip": 1}, views=[f"c{number}"])
        source, target, slot = await cluster.begin_to_move(f"segue:{TAG}:head")
        await cluster.move_keys(source, target, slot)
        assert (await store.head(PARTITION)).number == 5  # by ASKING
        await cluster.end_move(source, target, slot)
        await tenure.commit(published=5, viewed=["c1"])
        assert await all_customers(store, PARTITION) == {f"c{number}" for number in range(5)}
        await store.write_views({"c1": (1, b'{"rev":1}')})
        assert (await store.activate("v1", "{}")).number == 1
    finally:
        await by_all.drop()
        await by_all.close()
        await store.close()


async def test_history_webhooks_keys_and_secrets(cluster: ValkeyCluster, app_id: str) -> None:
    """What `segue serve` keeps, over twelve partitions, so on all three servers."""
    history = History(cluster.url, app_id, kept=5, patience_s=5)
    queues, endpoints = RedisQueues(cluster.url, app_id, patience_s=5), Endpoints(cluster.url, app_id, patience_s=5)
    keys, tokens = AccessKeys(cluster.url, app_id, patience_s=5), TokenSecrets(cluster.url, app_id, patience_s=5)
    store = await opened(cluster, app_id)
    try:
        now_ms = 1_790_000_000_000
        for partition in range(12):
            changes = [Seen(f"c{number}", b"entry", "vip", True, now_ms) for number in range(30)]
            await history.write(partition, HistoryBatch(None, 30, now_ms, changes))
            assert await history.changes(partition, "c3") == [b"entry"]
        assert (await history.flows(range(12))).by_segment == {"vip": (360, 0)}

        endpoint = Endpoint(id="ep_1", url="https://example.com", secret="s", created_ms=1)  # noqa: S106 - it signs nothing
        await endpoints.add(endpoint)
        assert await endpoints.all() == [endpoint]
        lanes = [Lane(partition, endpoint.id, 1) for partition in range(12)]
        for lane in lanes:
            epoch = (await queues.take_over(lane.partition)).epoch
            deliveries = [Delivery(f"m{number}", "c1", now_ms, b"{}") for number in range(2)]
            [added] = await queues.enqueue(
                lane.partition, epoch, now_ms, [Batch(lane, "offset", "", "2", deliveries, 100)]
            )
            assert added.waiting == 2
            due = await queues.due(lane, now_ms, 10, [])
            assert [waiting.delivery.id for waiting in due.found] == ["m0"]
            [following] = await queues.settle(
                lane.partition, epoch, now_ms, [Settled("done", lane, due.found[0].number, "c1")]
            )
            assert following.waiting is not None
        standing = await queues.standing(lanes)
        assert [(one.waiting, one.done, one.offset) for one in standing] == [(1, 1, 2)] * 12
        assert await queues.run_id() == await queues.run_id()

        await keys.ping()
        await keys.add("shop", "write", 1)
        assert [key.name for key in await keys.all()] == ["shop"]
        assert len(await tokens.have(1)) == 1
        assert (await store.activate("v1", "{}")).number == 1
    finally:
        await store.drop()
        for one in (history, queues, endpoints, keys, tokens, store):
            await one.close()


async def test_an_order_is_heard_of_everywhere(
    broker: Broker, cluster: ValkeyCluster, topic_prefix: str, app_id: str
) -> None:
    """`segue worker` and `segue serve` on a cluster: keys, webhooks, the stream, views."""
    await an_order_is_heard_of(broker, cast("EmbeddedValkey", cluster), topic_prefix, app_id, killed=False)


async def test_one_server_of_a_cluster_is_refused_where_the_url_says_no_cluster(cluster: ValkeyCluster) -> None:
    store = RedisStore(cluster.masters[0].url, "segue")
    with pytest.raises(ServiceError, match=r"is one server of a cluster: write redis\+cluster:// in SEGUE_REDIS"):
        await store.start()


async def test_a_server_that_is_no_cluster_is_refused_where_the_url_says_so(valkey: EmbeddedValkey) -> None:
    store = RedisStore(f"redis+cluster://{valkey.address}", "segue")
    with pytest.raises(ServiceError, match=r"is no cluster: write redis:// in place of redis\+cluster://"):
        await store.start()


async def test_nobody_listening_is_an_error_that_names_the_addresses() -> None:
    store = RedisStore("redis+cluster://u:secret@127.0.0.1:1,127.0.0.1:2", "segue", patience_s=0.2)
    with pytest.raises(ServiceError, match=r"redis\+cluster://127.0.0.1:1,127.0.0.1:2 within 0.2 s"):
        await store.start()


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://h:x", "redis+cluster://h:1/3", "redis+cluster://h:1,"]
)
def test_a_url_that_is_none_says_how_to_write_one(url: str) -> None:
    with pytest.raises(SettingsError, match=r"write redis\+cluster://host:6379,host2:6379"):
        Link(url, 1)


async def test_keys_of_two_slots_in_one_command_are_an_error(cluster: ValkeyCluster) -> None:
    """Nothing of ours does it; that the server would say so is what the tests above stand on."""
    link = Link(cluster.url, 1)
    try:
        with pytest.raises(ResponseError, match="slot"):
            await link.execute("MGET", "a", "b")
    finally:
        await link.close()
