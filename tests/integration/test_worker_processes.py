"""Several workers share the partitions, come, go and are killed: no event is lost, none counts twice."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from rules.load import load_text
from state.engine import Engine
from state.redis import RedisStore
from streams.clocks import live_clock
from streams.replay.memory import MemoryLog
from tests.integration.pipeline import Pipeline, make_pipeline, track
from tests.integration.worker_processes import workers
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

PARTITIONS = 4
RULES = """
segments:
  - {key: thrice, when: {did: {event: Bought, times: {gte: 3}}}}
  - {key: big, when: {total: {event: Bought, of: total, agg: sum, gte: 300}}}
  - {key: two_looks, when: {did: {event: Looked, times: {eq: 2}}}}
segmentations:
  - {key: looks, segments: [two_looks], otherwise: other}
"""


@pytest.fixture
async def pipeline(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> AsyncIterator[Pipeline]:
    store = RedisStore(valkey.url, app_id)
    await store.start()
    yield await make_pipeline(
        broker,
        topic_prefix,
        app_id,
        partitions=PARTITIONS,
        redis=valkey.url,
        store=store,
        rules=load_text(RULES),
        chunk_size=50,
    )
    await store.drop()
    await store.close()


def events(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    source = random.Random(seed)
    for number in range(count):
        customer = f"c{source.randrange(200)}"
        at = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        event = source.choice(["Bought", "Looked"])
        yield customer, track(customer, seed * 1_000_000 + number, at, event, total=source.randrange(100))


async def all_applied(pipeline: Pipeline, ends: dict[int, int]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        for partition, end in ends.items():
            while (await pipeline.store.head(partition)).offset < end:  # noqa: ASYNC110 - another process works
                await asyncio.sleep(0.05)


async def expected(pipeline: Pipeline) -> dict[str, list[Any]]:
    """Return what the log says, computed in memory: customer -> changes."""
    log = MemoryLog(Engine(pipeline.rules), live_clock(pipeline.settings))
    changes = defaultdict(list)
    for record in await pipeline.read(pipeline.topics.events):
        for change in log.feed(record.partition, record.timestamp, record.key, record.value, tick=False):
            changes[change.customer].append((change.seq, change.segment, change.change, change.other))
    return changes


async def said(pipeline: Pipeline) -> dict[str, list[Any]]:
    changes = defaultdict(list)
    for change in await pipeline.changes():
        changes[change["customer_id"]].append((change["seq"], change["segment"], change["change"], change["other"]))
    return changes


async def test_two_workers_share_the_partitions_and_one_is_killed(pipeline: Pipeline) -> None:
    async with workers(pipeline, RULES, 2) as (first, second):
        load = asyncio.create_task(pipeline.send(events(4_000, 1)))
        await asyncio.sleep(0.3)
        await first.kill()
        ends = await load
        ends |= await pipeline.send(events(2_000, 2))
        await all_applied(pipeline, ends)
        work = await second.terminate()
        assert work["applied"] > 0
        assert not work["river"]  # there are no models
    assert await said(pipeline) == await expected(pipeline)
    assert sum((await pipeline.store.sizes(range(PARTITIONS))).values()) > 0


async def test_a_worker_joins_and_leaves_in_mid_load(pipeline: Pipeline) -> None:
    async with workers(pipeline, RULES, 1) as (first,):
        load = asyncio.create_task(pipeline.send(events(3_000, 1)))
        async with workers(pipeline, RULES, 1) as (second,):
            ends = await load | await pipeline.send(events(2_000, 2))
            await second.terminate()
        ends |= await pipeline.send(events(1_000, 3))
        await all_applied(pipeline, ends)
        await first.terminate()
    assert await said(pipeline) == await expected(pipeline)
