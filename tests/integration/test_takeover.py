"""What a worker refuses to go on with: topics and offsets that are not those of its state."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from rules.errors import StateError, TopicError
from state.store import NO_OFFSET, Commit
from streams import app
from streams.chunk_app import chunk_app
from streams.tail import TailReader
from streams.topics import create_topics, delete_topics
from tests.integration.pipeline import make_pipeline, track
from tests.integration.test_worker import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.chunk_app import ChunkApp
    from tests.integration.conftest import Broker
    from tests.integration.pipeline import Pipeline

    Make = Callable[..., Awaitable[Pipeline]]


@pytest.fixture
def make(broker: Broker, topic_prefix: str, app_id: str) -> Make:
    return lambda **options: make_pipeline(broker, topic_prefix, app_id, partitions=1, **options)


async def test_topics_created_anew_are_refused(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    await delete_topics(pipeline.settings)
    for _ in range(50):  # Kafka deletes in its own time
        if await create_topics(pipeline.settings):
            break
        await asyncio.sleep(0.1)
    with pytest.raises(StateError, match="deleted and created anew"):
        await run(pipeline)


@pytest.mark.kafka
async def test_events_that_retention_removed_before_they_were_applied_end_the_worker(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    ends = await pipeline.send(("c1", track("c1", n)) for n in range(2, 10))
    await delete_before(pipeline, pipeline.topics.events, ends[0] - 1)
    with pytest.raises(StateError, match=r"\{0: 1\}.*retention removed them"):
        await run(pipeline)


@pytest.mark.kafka
async def test_changes_that_retention_removed_are_no_hindrance(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    ends = await pipeline.send([("c2", track("c2", 1))])
    end = (await tail(pipeline).read(0, 0)).end
    await delete_before(pipeline, pipeline.topics.changes, end)
    async with pipeline.worker() as worker:
        await worker.applied(ends)
    assert [change["customer_id"] for change in await pipeline.changes()] == ["c2"]


@pytest.mark.parametrize("offset", [5, 500])
async def test_a_stored_offset_beyond_the_end_ends_the_worker(make: Make, offset: int) -> None:
    """As after a leader was elected that lacked records: the topic is the same, its log is shorter."""
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send(("c1", track("c1", n)) for n in range(3)))
    store = pipeline.store
    head = await store.take_over(0)
    await store.commit(
        Commit(
            partition=0,
            epoch=head.epoch,
            number=head.number + 1,
            token="ahead",  # noqa: S106 - no password
            ruleset=head.ruleset,
            from_offset=head.offset,
            next_offset=offset,
        )
    )
    with pytest.raises(StateError, match=rf"\{{0: {offset}\}}.*the topic was truncated"):
        await run(pipeline)
    assert (await store.head(0)).offset == offset


@pytest.mark.kafka
async def test_another_number_of_partitions_is_refused(make: Make) -> None:
    """The setting goes along with the topic, as one who wants more workers might do; nothing of it is applied."""
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    await more_partitions(pipeline, 3)
    await pipeline.send([("c9", track("c9", 1))], partition=2)
    more = replace(pipeline, settings=pipeline.settings.model_copy(update={"partitions": 3}))
    with pytest.raises(StateError, match="SEGUE_PARTITIONS is 3, and the app began with 1"):
        await run(more)
    assert [change["customer_id"] for change in await more.changes()] == ["c1"]


@pytest.mark.kafka
async def test_partitions_added_under_a_running_worker_end_it(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def curious(*given: Any, **named: Any) -> ChunkApp:
        made = chunk_app(*given, **named)
        made.conf.consumer_metadata_max_age_ms = 200
        return made

    monkeypatch.setattr(app, "chunk_app", curious)
    pipeline = await make()
    with pytest.raises(TopicError, match="it has more than 1 partitions now"):
        await run_into_more_partitions(pipeline)


async def run_into_more_partitions(pipeline: Pipeline) -> None:
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
        await more_partitions(pipeline, 2)
        await worker.run()


async def more_partitions(pipeline: Pipeline, count: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.broker)
    await admin.start()
    topics = pipeline.topics
    try:
        await admin.create_partitions({name: NewPartitions(count) for name in (topics.events, topics.changes)})
    finally:
        await admin.close()


async def delete_before(pipeline: Pipeline, topic: str, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.broker)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=offset)})
    finally:
        await admin.close()


def tail(pipeline: Pipeline) -> TailReader:
    return TailReader(pipeline.settings, pipeline.topics.changes, deadline_s=10)


async def test_a_marker_beyond_the_end_is_refused(make: Make) -> None:
    pipeline = await make()
    with pytest.raises(StateError, match="up to offset 7 were published, but the partition ends at 0"):
        await tail(pipeline).read(0, 7)


async def test_the_end_of_an_empty_partition(make: Make) -> None:
    pipeline = await make()
    for marker in (NO_OFFSET, 0):
        found = await tail(pipeline).read(0, marker)
        assert (found.start, found.end, found.out) == (0, 0, {})


async def test_a_tail_has_this_apps_changes_from_the_marker_on(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send((c, track(c, 1)) for c in ("c1", "c2", "c3")))
    records = await pipeline.read(pipeline.topics.changes)
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker) as producer:
        headers = [(name, b"/segue/another" if name == "ce_source" else value) for name, value in records[0].headers]
        await producer.send_and_wait(pipeline.topics.changes, records[0].value, partition=0, headers=headers)
        await producer.send_and_wait(pipeline.topics.changes, b"not a change", partition=0)
    whole = await tail(pipeline).read(0, 0)
    assert whole.end == records[-1].offset + 3
    assert [(out.customer, out.seq) for out in whole.out.values()] == [("c1", 1), ("c2", 1), ("c3", 1)]
    rest = await tail(pipeline).read(0, records[-1].offset)
    assert (rest.start, [out.customer for out in rest.out.values()]) == (records[-1].offset, ["c3"])
