"""A worker on real services: events in, changes, views and rejected records out."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from rules.errors import ServiceError, StateError, TopicError
from state.engine import Engine
from state.memory import MemoryStore
from streams.clocks import StreamClock
from streams.topics import TIMESTAMP_TYPE, check_topics, create_topics
from tests.integration.pipeline import RECENT, SEEN, Pipeline, make_pipeline, track, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from state.event import Event
    from state.profile import Profile
    from state.store import Commit
    from streams.chunk import Chunk
    from tests.integration.conftest import Broker

    Make = Callable[..., Awaitable[Pipeline]]


@pytest.fixture
def make(broker: Broker, topic_prefix: str, app_id: str) -> Make:
    return lambda **options: make_pipeline(broker, topic_prefix, app_id, **options)


async def run(pipeline: Pipeline) -> None:
    """Run a worker until it fails."""
    async with pipeline.worker() as worker:
        await worker.run()


def customers(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


async def test_each_event_counts_once_and_each_change_is_out_once(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        ends = await pipeline.send((c, track(c, n)) for n in range(3) for c in customers(50))
        await worker.applied(ends)
        assert worker.counters.events == worker.counters.applied == 150
        assert worker.counters.customers == 50
        assert worker.counters.changes == {("seen", "entered"): 50}
        assert await pipeline.store.sizes(range(2)) == {"seen": 50}
    changes = await pipeline.changes()
    assert Counter(change["customer_id"] for change in changes) == dict.fromkeys(customers(50), 1)


async def test_a_change_goes_to_the_partition_of_its_event_with_cloudevents_headers(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))], partition=1))
    [record] = await pipeline.read(pipeline.topics.changes)
    headers, change = dict(record.headers), orjson.loads(record.value or b"")
    assert (record.partition, record.key) == (1, b"c1")
    assert headers["ce_id"].decode() == change["id"]
    assert headers["ce_source"].decode() == f"/segue/{pipeline.settings.app_id}"
    assert headers["ce_type"] == b"segue.segment.entered"
    assert headers["ce_time"].decode() == change["at"]
    assert headers["segue-commit"] == b"1"


async def test_a_view_is_written_with_each_change(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
        view = orjson.loads(await pipeline.store.view("c1") or b"null")
    assert [segment["key"] for segment in view["segments"]] == ["seen"]


async def test_what_cannot_be_read_is_rejected_and_the_rest_goes_on(make: Make) -> None:
    pipeline = await make(partitions=1)
    bad = [("c1", b"{"), ("c1", track("c2", 1)), ("c1", b'{"type":"track","userId":"c1"}'), ("c1", b"x" * 70_000)]
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([*bad, ("c1", track("c1", 1))]))
        assert worker.counters.rejected == Counter(["not_json", "wrong_key", "no_event", "too_large"])
        assert worker.counters.applied == 1
    rejected = await pipeline.rejected()
    assert len(rejected) == len(bad)
    for key, value, headers in rejected:
        number = int(headers["offset"])
        assert (key, value) == (b"c1", bad[number][1])
        assert headers["topic"].decode() == pipeline.topics.events
        assert headers["partition"] == b"0"
        assert headers["error"].decode() == ["not_json", "wrong_key", "no_event", "too_large"][number]


async def test_a_second_start_goes_on_where_the_store_stands(make: Make) -> None:
    pipeline = await make()
    for n in range(2):
        async with pipeline.worker() as worker:
            await worker.applied(await pipeline.send((c, track(c, n)) for c in customers(20)))
            assert worker.counters.applied == 20
    assert len(await pipeline.changes()) == 20


async def test_a_timer_fires_without_another_event(make: Make) -> None:
    pipeline = await make(rules=RECENT, grace=100)
    async with pipeline.worker() as worker:
        await pipeline.send([("c1", track("c1", 1))])
        await until(lambda: worker.counters.changes[("recent", "exited")] == 1)
        assert worker.counters.ticks >= 1
    entered, exited = await pipeline.changes()
    assert exited["cause"] == {"type": "timer"}
    assert (entered["seq"], exited["seq"]) == (1, 2)


async def test_ticks_end_when_nothing_is_due(make: Make) -> None:
    pipeline = await make(rules=RECENT, grace=100, partitions=1)
    async with pipeline.worker() as worker:
        await pipeline.send([("c1", track("c1", 1))])
        await until(lambda: worker.counters.changes[("recent", "exited")] == 1)
        before = worker.counters.ticks
        await asyncio.sleep(0.5)
        assert worker.counters.ticks <= before + 1


async def test_changes_left_in_the_outbox_are_published_by_the_next_owner(make: Make) -> None:
    """The first worker commits and then cannot publish."""
    pipeline = await make(partitions=1)

    async def refuse(*_: object) -> None:
        message = "the broker is away"
        raise ServiceError(message)

    async with pipeline.worker() as worker:
        await until(lambda: worker.partitions == {0})
        worker._tenure(0)._publisher.publish = refuse  # type: ignore[method-assign,union-attr]  # noqa: SLF001 - a broker that fails once
        ends = await pipeline.send((c, track(c, 1)) for c in customers(10))
        await worker.applied(ends)
        assert worker.counters.takeovers == 2
    assert sorted(change["customer_id"] for change in await pipeline.changes()) == sorted(customers(10))


async def test_changes_that_are_out_but_not_trimmed_are_not_published_again(make: Make) -> None:
    """The first worker publishes and is gone before the next commit could say so."""
    pipeline = await make(partitions=1)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send((c, track(c, 1)) for c in customers(10)))
        worker._tenure(0)._commit = _nothing  # type: ignore[method-assign,union-attr]  # noqa: SLF001 - the last commit never comes
    assert len(await pipeline.store.outbox(0)) == 10
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c0", track("c0", 2))]))
    assert await pipeline.store.outbox(0) == []
    assert len(await pipeline.changes()) == 10


async def _nothing(*_: object, **__: object) -> None:
    pass


async def test_a_fenced_worker_takes_over_again(make: Make) -> None:
    pipeline = await make(partitions=1)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
        await pipeline.store.take_over(0)
        await worker.applied(await pipeline.send([("c2", track("c2", 1))]))
        assert worker.counters.takeovers == 2
    assert len(await pipeline.changes()) == 2


async def test_a_chunk_that_gets_lost_on_the_way_is_read_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = await make(partitions=1, chunk_size=5)
    ends = await pipeline.send((c, track(c, n)) for n in range(2) for c in customers(20))
    async with pipeline.worker() as worker:
        receive, seen = worker.receive, 0

        def lose_the_second(chunk: Chunk, acknowledge: Callable[[], object]) -> None:
            nonlocal seen
            seen += 1
            if seen != 2:
                receive(chunk, acknowledge)

        monkeypatch.setattr(worker, "receive", lose_the_second)
        await worker.applied(ends)
        assert worker.counters.takeovers == 2
        assert worker.counters.applied == 40
    assert len(await pipeline.changes()) == 20


class LosesReplies(MemoryStore):
    """Applies every third commit and then says that it cannot be reached."""

    commits = 0

    async def commit(self, commit: Commit) -> None:
        await super().commit(commit)
        self.commits += 1
        if self.commits % 3 == 0:
            message = "the reply was lost"
            raise ServiceError(message)


async def test_a_commit_whose_reply_is_lost_counts_once(make: Make) -> None:
    pipeline = await make(partitions=1, store=LosesReplies(), chunk_size=5)
    async with pipeline.worker() as worker:
        ends = await pipeline.send((c, track(c, n)) for n in range(2) for c in customers(20))
        await worker.applied(ends)
        assert worker.counters.takeovers > 1
    changes = await pipeline.changes()
    assert Counter(change["customer_id"] for change in changes) == dict.fromkeys(customers(20), 1)


async def test_a_poisoned_event_costs_itself_only(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = await make(partitions=1, rules=SEEN)
    events = [
        ("c1", track("c1", 1)),
        ("c2", track("c2", 1)),
        ("c1", track("c1", 2, event="Bad")),
        ("c1", track("c1", 3)),
    ]
    async with pipeline.worker() as worker:
        engine = worker.parts.definitions.active.engine
        apply = engine.apply

        def poisoned(profile: Profile, event: Event) -> Any:
            if event.name == "Bad":
                profile.seq += 100  # half done, then:
                message = "a defect"
                raise RuntimeError(message)
            return apply(profile, event)

        monkeypatch.setattr(engine, "apply", poisoned)
        await worker.applied(await pipeline.send(events))
        assert worker.counters.rejected == {"internal": 1}
        assert worker.counters.applied == 3
        saved = engine.decode("c1", (await pipeline.store.load(0, ["c1"]))[0] or b"")
        assert saved.seq == 1
        assert len(saved.ids) == 2 * 8
    assert len(await pipeline.changes()) == 2
    [(_, value, headers)] = await pipeline.rejected()
    assert (value, headers["error"], headers["offset"]) == (events[2][1], b"internal", b"2")


async def test_too_many_poisoned_events_stop_the_worker(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = await make(partitions=1, poison_per_minute=3)

    def poisoned(*_: object) -> None:
        message = "a defect"
        raise RuntimeError(message)

    await pipeline.send((c, track(c, 1)) for c in customers(10))
    monkeypatch.setattr(Engine, "apply", poisoned)
    with pytest.raises(StateError, match="more than 3 events a minute"):
        await run(pipeline)


async def test_a_poisoned_timer_is_dropped_and_the_next_event_evaluates_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await make(partitions=1, rules=RECENT, grace=100)
    async with pipeline.worker() as worker:
        engine = worker.parts.definitions.active.engine
        advance = engine.advance

        def poisoned(*_: object) -> None:
            message = "a defect"
            raise RuntimeError(message)

        monkeypatch.setattr(engine, "advance", poisoned)
        await pipeline.send([("c1", track("c1", 1))])
        await until(lambda: worker.counters.poison_timers == 1)
        assert await pipeline.store.due(0, 2**62, 10) == []
        monkeypatch.setattr(engine, "advance", advance)
        await worker.applied(await pipeline.send([("c1", track("c1", 2))]))
        assert len(await pipeline.store.due(0, 2**62, 10)) == 1


async def test_a_replay_fires_all_that_is_due_at_its_horizon(make: Make) -> None:
    pipeline = await make(rules=RECENT)
    events = [
        ("c1", track("c1", 1, "2020-01-01T00:00:00Z")),
        ("c2", track("c2", 1, "2020-01-01T00:00:01Z")),
        ("c1", track("c1", 2, "2020-01-01T00:00:10Z")),
        ("c3", b'{"type":"track","userId":"c3","event":"Seen"}'),
    ]
    async with pipeline.worker(clock=StreamClock(lag_ms=0)) as worker:
        await worker.applied(await pipeline.send(events))
        assert worker.counters.rejected == {"no_timestamp": 1}
        await worker.finish(worker.counters.newest_event_ms + 2000)
        assert worker.counters.ticks == 0
    by_customer = defaultdict(list)
    for change in await pipeline.changes():
        by_customer[change["customer_id"]].append((change["seq"], change["change"], change["at"]))
    assert by_customer == {
        "c1": [
            (1, "entered", "2020-01-01T00:00:00.000Z"),
            (2, "exited", "2020-01-01T00:00:02.000Z"),
            (3, "entered", "2020-01-01T00:00:10.000Z"),
            (4, "exited", "2020-01-01T00:00:12.000Z"),
        ],
        "c2": [(1, "entered", "2020-01-01T00:00:01.000Z"), (2, "exited", "2020-01-01T00:00:03.000Z")],
    }


async def test_an_empty_store_is_refused_where_the_app_has_been_before(make: Make) -> None:
    pipeline = await make(partitions=1)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    pipeline.store = MemoryStore()
    with pytest.raises(StateError, match="--from-scratch"):
        await run(pipeline)
    async with pipeline.worker(from_scratch=True) as worker:
        await until(lambda: worker.counters.applied == 1)
    first, second = await pipeline.changes()
    assert first == second


async def test_a_store_that_was_set_back_is_refused_and_can_be_accepted(make: Make) -> None:
    pipeline = await make(partitions=1)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
    older = copy.deepcopy(pipeline.store)
    async with pipeline.worker() as worker:
        for customer in ("c2", "c3", "c4"):
            await worker.applied(await pipeline.send([(customer, track(customer, 1))]))
    pipeline.store = older
    with pytest.raises(StateError, match="--accept-rollback"):
        await run(pipeline)
    async with pipeline.worker(accept_rollback=True) as worker:
        await worker.applied(await pipeline.send([("c5", track("c5", 1))]))
    counts = Counter(change["customer_id"] for change in await pipeline.changes())
    assert counts == dict.fromkeys(["c1", "c2", "c3", "c4", "c5"], 1)


async def test_reading_again_after_a_store_was_set_back_may_be_interrupted(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One large commit is lost and made again in small ones; a crash comes when their numbers are past its own."""
    pipeline = await make(partitions=1)
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send([("c0", track("c0", 1))]))
    older = copy.deepcopy(pipeline.store)
    ends = await pipeline.send((c, track(c, 1)) for c in customers(10)[1:])
    async with pipeline.worker() as worker:
        await worker.applied(ends)
    pipeline.store = older
    pipeline.settings = pipeline.settings.model_copy(update={"chunk_size": 1})
    commit, left = older.commit, 5

    async def fail_after_some(one: Commit) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            message = "the store is away"
            raise ServiceError(message)
        await commit(one)

    monkeypatch.setattr(older, "commit", fail_after_some)
    async with pipeline.worker(accept_rollback=True) as worker:
        await until(lambda: left < 0)
    monkeypatch.undo()
    async with pipeline.worker() as worker:
        await worker.applied(ends)
    counts = Counter(change["customer_id"] for change in await pipeline.changes())
    assert counts == dict.fromkeys(customers(10), 1)
    assert await pipeline.store.outbox(0) == []


async def test_topics_are_checked_before_anything_is_read(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = Pipeline((await make_pipeline(broker, topic_prefix, app_id)).settings)
    elsewhere = pipeline.settings.model_copy(update={"topic_prefix": f"{topic_prefix}other."})
    with pytest.raises(TopicError, match="segue topics"):
        await run(Pipeline(elsewhere))
    wrong = pipeline.settings.model_copy(update={"partitions": 3})
    assert [finding.topic for finding in await check_topics(wrong, models=True)] == [pipeline.topics.events]
    assert await create_topics(pipeline.settings) == []


@pytest.mark.embedded
async def test_the_embedded_broker_is_refused_unless_allowed(make: Make) -> None:
    pipeline = await make()
    pipeline.settings = pipeline.settings.model_copy(update={"allow_create_time": False})
    with pytest.raises(ServiceError, match="SEGUE_ALLOW_CREATE_TIME=true"):
        await run(pipeline)


@pytest.mark.kafka
async def test_producers_times_are_refused_unless_allowed(make: Make) -> None:
    pipeline = await make(partitions=1)
    await set_timestamp_type(pipeline, "CreateTime")
    with pytest.raises(TopicError, match=r"message\.timestamp\.type is CreateTime"):
        await run(pipeline)
    await pipeline.send([("c1", track("c1", 1))])
    await set_timestamp_type(pipeline, "LogAppendTime")
    with pytest.raises(StateError, match="the record at offset 0 has its producer's time"):
        await run(pipeline)
    pipeline.settings = pipeline.settings.model_copy(update={"allow_create_time": True})
    async with pipeline.worker() as worker:
        await worker.applied({0: 1})
        assert worker.counters.applied == 1


async def set_timestamp_type(pipeline: Pipeline, value: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=pipeline.settings.broker)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, pipeline.topics.events, configs={TIMESTAMP_TYPE: value})
        await admin.alter_configs([resource])
    finally:
        await admin.close()


async def test_a_record_without_a_key_that_is_no_tick_is_rejected(make: Make) -> None:
    pipeline = await make(partitions=1)
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker) as producer:
        for headers in ([], [("segue-tick", b"")]):
            await producer.send_and_wait(pipeline.topics.events, b"", key=None, partition=0, headers=headers)
    async with pipeline.worker() as worker:
        await worker.applied({0: 2})
        assert worker.counters.rejected == {"no_key": 1}
        assert worker.counters.ticks == 1
