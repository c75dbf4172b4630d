"""Models on real services: samples go out, are learned once, and what is learned reaches a segment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from rules.errors import ServiceError, TopicError
from state.memory import MemoryStore
from streams import learning
from streams.clocks import StreamClock
from streams.topics import create_topics, delete_topics
from tests.integration.pipeline import Pipeline, make_pipeline, until
from tests.integration.school import days, distinct, newest, records, rules, samples, snapshots
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.worker import Worker
    from tests.integration.conftest import Broker

    Make = Callable[..., Awaitable[Pipeline]]

CLOCK = StreamClock(lag_ms=86_400_000)


@pytest.fixture
def make(broker: Broker, topic_prefix: str, app_id: str) -> Make:
    options: dict[str, Any] = {"partitions": 2, "rules": rules(), "snapshot_every": 20}
    return lambda **more: make_pipeline(broker, topic_prefix, app_id, **(options | more))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a snapshot be written soon after the last sample."""
    monkeypatch.setattr(learning, "SNAPSHOT_S", 0.2)


async def learned(pipeline: Pipeline, worker: Worker) -> None:
    """Wait until everything on the topic is learned, and in a snapshot."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await until(lambda: worker.unlearned == 0)
            definition = worker.parts.definitions.active.engine.ruleset.models[0].definition
            found = [sample for sample in await samples(pipeline) if sample.definition == definition]
            last = await newest(pipeline, definition)
            if last is not None and last.samples == len(distinct(found)):
                return
            await asyncio.sleep(0.1)


async def test_samples_are_released_learned_and_scored_with(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker(clock=CLOCK) as worker:
        await worker.applied(await pipeline.send(days(10)))
        await learned(pipeline, worker)
        counters = worker.counters
        found = await samples(pipeline)
        assert len(found) == counters.samples_released == counters.samples_learned
        assert counters.samples_skipped == counters.snapshots_ignored == counters.training_failures == 0
        assert counters.snapshots_written == len(await snapshots(pipeline)) >= len(found) // 20
        await until(lambda: "again" in worker.parts.definitions.active.engine.scorers)
        await worker.applied(await pipeline.send(days(2, first=10)))
    entered = [change for change in await pipeline.changes() if change["segment"] == "likely"]
    # whoever buys every day is likely to buy again, whoever looks is not
    assert {change["customer_id"] for change in entered} == {f"c{number}" for number in range(0, 20, 2)}
    [because] = entered[0]["because"]
    assert because["path"] == "when.score"
    assert "again" in because["text"]
    assert because["model"] == "again"
    assert because["version"] >= 1
    assert entered[0]["cause"]["type"] == "event"


async def test_a_sample_on_the_topic(make: Make) -> None:
    pipeline = await make(partitions=1)
    async with pipeline.worker(clock=CLOCK) as worker:
        await worker.applied(await pipeline.send(days(4, customers=2)))
        await learned(pipeline, worker)
    found = [orjson.loads(record.value or b"") for record in await records(pipeline, pipeline.topics.samples)]
    first = next(sample for sample in found if sample["customer_id"] == "c0")
    model = pipeline.rules.models[0]
    assert list(first) == [
        "id", "model", "definition", "customer_id", "at", "released_at", "why", "x", "y", "score", "version",
    ]  # fmt: skip
    assert first["at"][:10] == "2026-01-01"
    assert first["released_at"][:10] == "2026-01-03"
    assert first["id"].startswith("0-")
    assert (first["model"], first["definition"], first["why"]) == ("again", model.definition, "event")
    assert first["x"] == {"bought": pytest.approx(0.693147), "seen": 0.0}
    assert (first["y"], first["score"], first["version"]) == (1.0, None, None)


async def test_samples_left_in_the_outbox_go_out_with_the_next_owner(make: Make) -> None:
    """The first owner commits and then cannot send; the second one's repeat is learned once."""
    pipeline = await make(partitions=1)
    async with pipeline.worker(clock=CLOCK) as worker:
        send, calls = worker.parts.samples.send, 0

        async def sends_and_loses_the_reply(values: list[bytes]) -> None:
            nonlocal calls
            calls += bool(values)
            if values and calls == 1:
                message = "the broker is away"
                raise ServiceError(message)
            await send(values)
            if values and calls == 2:
                message = "the reply was lost"
                raise ServiceError(message)

        worker.parts.samples.send = sends_and_loses_the_reply  # type: ignore[assignment, method-assign]
        await worker.applied(await pipeline.send(days(6)))
        assert calls >= 3
        await learned(pipeline, worker)
        found = await samples(pipeline)
        assert max(distinct(found).values()) == 2
        assert worker.counters.samples_learned == len(distinct(found))
        assert worker.counters.samples_skipped == len(found) - len(distinct(found))
    assert await pipeline.store.outbox(0) == []


async def test_what_is_no_sample_is_passed_over(make: Make) -> None:
    pipeline = await make()
    bad = [b"", b"{", b"[]", b'{"id":"0-1-0"}']
    async with pipeline.worker(clock=CLOCK) as worker:
        for value in bad:
            await worker.parts.producer.send_and_wait(pipeline.topics.samples, value, partition=0)
        await worker.applied(await pipeline.send(days(6)))
        good = await records(pipeline, pipeline.topics.samples)
        odd = orjson.loads(good[-1].value or b"")
        odd |= {"x": {"other": 1.0}}
        await worker.parts.producer.send_and_wait(pipeline.topics.samples, orjson.dumps(odd), partition=0)
        await until(lambda: worker.counters.samples_skipped == len(bad) + 1)
        await until(lambda: worker.counters.samples_learned == len(good) - len(bad))
        assert worker.counters.training_failures == 0


async def test_a_zombies_snapshot_is_ignored(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker(clock=CLOCK) as worker:
        await worker.applied(await pipeline.send(days(8)))
        await learned(pipeline, worker)
        older, last = (await snapshots(pipeline))[0], await newest(pipeline)
        assert last is not None
        assert older.offset < last.offset
        scorers = worker.parts.definitions.active.engine.scorers
        await until(lambda: scorers["again"].version == last.version)
        value = (await records(pipeline, pipeline.topics.models))[0].value
        await worker.parts.producer.send_and_wait(pipeline.topics.models, value, key=b"again", partition=0)
        await until(lambda: worker.counters.snapshots_ignored == 1)
        assert scorers["again"].version == last.version
    # nor does the next worker begin with it, or learn from it
    async with pipeline.worker(clock=CLOCK) as worker:
        await until(lambda: worker.partitions == {0, 1})
        assert worker.parts.definitions.active.engine.scorers["again"].version == last.version
        await worker.applied(await pipeline.send(days(2, first=8)))
        await learned(pipeline, worker)


async def test_an_edited_model_starts_anew_and_the_old_ones_scores_meet_no_condition(make: Make) -> None:
    pipeline = await make(rules_poll=100)
    async with pipeline.worker(clock=CLOCK) as worker:
        await worker.applied(await pipeline.send(days(8)))
        await learned(pipeline, worker)
        await worker.applied(await pipeline.send(days(1, first=8)))
        await until(lambda: worker.counters.changes["likely", "entered"] == 10)
        edited = rules(within="3d")
        await pipeline.store.activate(edited.version, edited.source)
        await until(lambda: worker.parts.definitions.active.number == 2)
        await worker.applied(await pipeline.send(days(1, first=9)))
        assert worker.counters.changes["likely", "exited"] == 10
        assert worker.parts.definitions.active.engine.scorers == {}
        await worker.applied(await pipeline.send(days(10, first=10)))
        await until(lambda: "again" in worker.parts.definitions.active.engine.scorers)
        await worker.applied(await pipeline.send(days(2, first=20)))
        await until(lambda: worker.counters.changes["likely", "entered"] >= 20)
        await learned(pipeline, worker)
    exited = [c for c in await pipeline.changes() if (c["segment"], c["change"]) == ("likely", "exited")]
    assert {change["cause"]["type"] for change in exited[:10]} == {"definition"}
    definitions = [snapshot.definition for snapshot in await snapshots(pipeline)]
    assert set(definitions) == {pipeline.rules.models[0].definition, edited.models[0].definition}
    assert definitions == sorted(definitions, key=definitions.index)


async def test_a_model_that_is_forgotten_learns_anew(make: Make) -> None:
    pipeline = await make()
    async with pipeline.worker(clock=CLOCK) as worker:
        await worker.applied(await pipeline.send(days(8)))
        await learned(pipeline, worker)
        scorers = worker.parts.definitions.active.engine.scorers
        await until(lambda: "again" in scorers)
        await worker.parts.producer.send_and_wait(pipeline.topics.models, b"", key=b"again", partition=0)
        await until(lambda: "again" not in scorers)
    count, released = len(await snapshots(pipeline)), len(await samples(pipeline))
    async with pipeline.worker(clock=CLOCK) as worker:
        await until(lambda: worker.counters.samples_learned == released)
        await until(lambda: worker.counters.snapshots_written > 0)
    assert (await snapshots(pipeline))[count].version == 1


async def test_a_failure_of_learning_does_not_stop_the_changes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = await make()

    def fail(*_: object, **__: object) -> None:
        message = "a defect"
        raise RuntimeError(message)

    async with pipeline.worker(clock=CLOCK) as worker:
        with monkeypatch.context() as broken:
            broken.setattr(learning.Class, "learn", fail)
            await worker.applied(await pipeline.send(days(8)))
            await until(lambda: worker.counters.training_failures > 0)
            assert worker.counters.changes["buyer", "entered"] == 10
        await learned(pipeline, worker)


async def test_models_want_their_topics_and_others_do_not(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = await make()
    await delete_topics(pipeline.settings)
    async with asyncio.timeout(PATIENCE_S):
        while len(await create_topics(pipeline.settings, models=False)) < 3:  # noqa: ASYNC110 - Kafka removes in a while
            await asyncio.sleep(0.1)
    with pytest.raises(TopicError, match="training-samples: there is no such topic; `segue topics` creates it"):
        async with pipeline.worker():
            pass
    # nor under another ruleset that has been made active
    model = pipeline.rules
    settings = pipeline.settings.model_copy(update={"rules_poll": 100})
    plain = Pipeline(settings, MemoryStore())
    async with plain.worker() as worker:
        await until(lambda: worker.partitions == {0, 1})
        await plain.store.activate(model.version, model.source)
        await until(lambda: "training-samples: there is no such topic" in caplog.text)
        assert worker.partitions == set()
        await create_topics(pipeline.settings)
        await until(lambda: worker.partitions == {0, 1})
