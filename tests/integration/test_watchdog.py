"""A worker ends where a partition does not get on by its own fault, and only there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis.asyncio

from state.memory import MemoryStore
from state.redis import RedisStore
from streams.app import build_app
from streams.health import backlogs, faults_of_life, faults_of_work, services_away
from streams.inquiry import Found, ask
from streams.watch import Stall
from tests.integration.pipeline import make_pipeline, track, until
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from state.store import Commit
    from streams.embedded import EmbeddedValkey
    from streams.worker import Worker
    from tests.integration.conftest import Broker

STALL_MS = 3_000


class HangingStore(MemoryStore):
    """A store that answers, but for the commits of one partition once `hangs` is set."""

    def __init__(self, partition: int) -> None:
        super().__init__()
        self.partition = partition
        self.hangs = False

    async def commit(self, commit: Commit) -> None:
        if self.hangs and commit.partition == self.partition:
            await asyncio.Event().wait()
        await super().commit(commit)


async def looks(worker: Worker, more: int) -> None:
    """Wait until the watchdog has looked so often again."""
    end = worker.watchdog.looks + more
    await until(lambda: worker.watchdog.looks >= end)


async def stall_of(worker: Worker) -> str:
    """Return what the worker ends with."""
    with pytest.raises(Stall) as raised:
        async with asyncio.timeout(PATIENCE_S):
            await worker.run()
    return str(raised.value)


async def test_a_tenure_that_hangs_ends_the_worker(
    broker: Broker, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = HangingStore(partition=1)
    pipeline = await make_pipeline(broker, topic_prefix, app_id, store=store, stall_deadline=STALL_MS)
    async with build_app(pipeline.settings, store, pipeline.rules) as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=1))
        store.hangs = True
        end = (await pipeline.send([("c1", track("c1", 2)), ("c1", track("c1", 3))], partition=1))[1]
        said = await stall_of(worker)
        lag = worker.watchdog.watched[1].lag
        assert lag.events == 2
        assert lag.seconds(worker.parts.now_ms()) > 0
    assert said.startswith(f"{pipeline.topics.events}/1: nothing was done for ")
    assert f"at offset {end - 2}, 2 before the end ({end})" in said
    assert "tenure.py" in caplog.text, "where it hung"
    fields = [vars(record) for record in caplog.records if hasattr(record, "lag")]
    assert [(field["partition"], field["offset"], field["lag"]) for field in fields] == [(1, end - 2, 2)]
    assert "in commit" not in caplog.text
    assert "test_watchdog.py" in caplog.text


async def test_a_client_that_dies_in_silence_ends_the_worker(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, stall_deadline=STALL_MS)
    async with build_app(pipeline.settings, pipeline.store, pipeline.rules) as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
        worker._app.chunks.release(0)  # noqa: SLF001 - it reads no more, and says nothing
        await pipeline.send([("c1", track("c1", 2))], partition=0)
        assert "1 before the end (2)" in await stall_of(worker)


async def test_a_worker_that_is_fenced_counts_it_and_goes_on(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
        assert (worker.counters.fenced, worker.counters.cache_hits, worker.counters.cache_misses) == (0, 0, 1)
        await pipeline.store.take_over(0)  # as another worker would
        await worker.applied(await pipeline.send([("c1", track("c1", 2))], partition=0))
        assert (worker.counters.fenced, worker.counters.outages) == (1, 0)
        await worker.applied(await pipeline.send([("c1", track("c1", 3))], partition=0))
        assert (worker.counters.cache_hits, worker.counters.cache_misses) == (1, 2), "a fenced tenure counts nothing"


async def test_what_rests_or_works_on_does_not(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, stall_deadline=STALL_MS)
    async with pipeline.worker() as worker:
        await until(lambda: len(worker.partitions) == 2)
        for number in range(2):
            await worker.applied(await pipeline.send([("c1", track("c1", number))], partition=0))
            await looks(worker, 3)
        assert worker.failure is None
        assert {lag.lag.events for lag in worker.watchdog.watched.values()} == {0}


@pytest.mark.embedded
async def test_a_redis_that_is_away_does_not(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    store = RedisStore(valkey.url, app_id, patience_s=2)
    await store.start()
    try:
        pipeline = await make_pipeline(broker, topic_prefix, app_id, store=store, stall_deadline=STALL_MS)
        async with pipeline.worker() as worker:
            await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
            await valkey.kill()
            try:
                ends = await pipeline.send([("c1", track("c1", 2))])
                await until(lambda: worker.counters.outages > 0)
                await looks(worker, 8)
            finally:
                await valkey.restart()
            await worker.applied(ends)
            assert worker.failure is None
    finally:
        await store.close()


@pytest.mark.kafka  # the embedded broker forgets everything
async def test_a_broker_that_is_away_does_not(broker: Broker, topic_prefix: str, app_id: str) -> None:
    # the client has its own pauses before it finds out that the broker is back
    pipeline = await make_pipeline(broker, topic_prefix, app_id, stall_deadline=3 * STALL_MS, publish_deadline=1_000)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
        hold = worker.holds[0]
        await broker.kill()
        try:
            await looks(worker, 11)
            assert set(await services_away(worker)) == {"broker"}
            assert worker.watchdog.watched[0].hold is hold, "nothing but the broker is missing"
        finally:
            await broker.restart()
        await worker.applied(await pipeline.send([("c1", track("c1", 2))], partition=0))
        assert worker.failure is None


@pytest.mark.embedded
async def test_a_redis_that_refuses_to_write_does_and_says_what_it_refused(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore(valkey.url, app_id, patience_s=2)
    await store.start()
    client = redis.asyncio.Redis.from_url(valkey.url, protocol=2)
    try:
        pipeline = await make_pipeline(broker, topic_prefix, app_id, store=store, stall_deadline=STALL_MS)
        async with build_app(pipeline.settings, store, pipeline.rules) as worker:
            await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
            await client.config_set("maxmemory", 1)
            try:
                await pipeline.send([("c1", track("c1", 2))], partition=0)
                assert "1 before the end (2)" in await stall_of(worker)
            finally:
                await client.config_set("maxmemory", 0)
        assert "partition 0 failed last of: " in caplog.text
        assert "raise its maxmemory" in caplog.text
    finally:
        await client.aclose()
        await store.close()


async def test_a_worker_without_a_share_is_ready(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1)
    async with pipeline.worker() as first:
        await until(lambda: bool(first.partitions))
        async with pipeline.worker() as second:
            await until(lambda: first.joined and second.joined and len(first.holds) + len(second.holds) == 1)
            await until(lambda: not faults_of_work(first) and not faults_of_work(second))
            assert faults_of_life(first) == faults_of_life(second) == []
            assert await services_away(second) == {}


@pytest.mark.embedded
async def test_a_worker_that_cannot_take_over_is_not_ready_and_lives(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    store = RedisStore(valkey.url, app_id, patience_s=2)
    await store.start()
    try:
        pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1, store=store)
        async with pipeline.worker() as worker:
            await until(lambda: bool(worker.partitions))
            await valkey.kill()
            try:
                await pipeline.send([("c1", track("c1", 1))])
                await until(lambda: any("no answer from" in fault.message for fault in faults_of_work(worker)))
                assert set(await services_away(worker)) == {"redis"}
                assert await backlogs(worker) == {}
                assert faults_of_life(worker) == []
            finally:
                await valkey.restart()
            await until(lambda: not faults_of_work(worker))
    finally:
        await store.close()


async def test_what_store_and_broker_say(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=3)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
        parts = worker.parts
    await pipeline.send([("c1", track("c1", 2)), ("c1", track("c1", 3))], partition=0)
    await pipeline.send([("c2", track("c2", 1))], partition=2)
    found = await ask(parts, range(3))
    assert found[0].waits
    assert found[0].end - found[0].offset == 2
    assert found[1] == Found(0, 0, waits=False)
    assert found[2] == Found(0, 1, waits=True)
