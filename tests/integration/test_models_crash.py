"""The trainer crashes at any point: in the end each sample was learned once, and the newest snapshot says so."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from rules.load import load_text
from state.models.trainer import Trainer
from state.redis import RedisStore
from streams import learning
from streams.clocks import StreamClock
from streams.samples import feature_names
from tests.integration.pipeline import Pipeline, make_pipeline, track, until
from tests.integration.school import days, distinct, newest, rules, samples, snapshots
from tests.integration.worker_processes import WorkerProcess
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from state.models.snapshot import Snapshot
    from streams.embedded import EmbeddedValkey
    from streams.training import Training
    from streams.worker import Worker
    from tests.integration.conftest import Broker

CLOCK = StreamClock(lag_ms=86_400_000)
CRASHES = 24


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "SNAPSHOT_S", 0.2)


@pytest.fixture
async def pipeline(broker: Broker, topic_prefix: str, app_id: str) -> Pipeline:
    return await make_pipeline(broker, topic_prefix, app_id, partitions=2, rules=rules(), snapshot_every=20)


async def in_the_end(pipeline: Pipeline) -> Snapshot:
    """Return the newest snapshot once it has every sample of the topic."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            last, found = await newest(pipeline), distinct(await samples(pipeline))
            if last is not None and last.samples == len(found):
                return last
            await asyncio.sleep(0.2)


async def learned_by_one(pipeline: Pipeline, last: Snapshot) -> Snapshot:
    """Return what one trainer that never crashed would have said of the same topic."""
    [model] = pipeline.rules.models
    trainer, names = Trainer(model, snapshot_every=20), feature_names(pipeline.rules)[model.key]
    for offset, wire in enumerate(await samples(pipeline)):
        trainer.learn(wire.sample(names), source=wire.source(), offset=offset)
    return trainer.snapshot(last.created_at)


async def assert_once(pipeline: Pipeline) -> None:
    last = await in_the_end(pipeline)
    alone = await learned_by_one(pipeline, last)
    assert (last.samples, last.offset, last.scorer) == (alone.samples, alone.offset, alone.scorer)
    assert last.metrics["quality"] == alone.metrics["quality"]
    assert last.learner["marks"] == alone.learner["marks"]
    offsets = [snapshot.offset for snapshot in await snapshots(pipeline)]
    assert offsets == sorted(offsets)


async def test_cancelled_anywhere(pipeline: Pipeline) -> None:
    """The task is cancelled at any moment, again and again, while samples come in: some runs get to learn, some not."""
    source = random.Random(1)
    async with pipeline.worker(clock=CLOCK) as worker:
        training: Training = worker._training  # noqa: SLF001 - what is to crash
        written: list[int] = []
        for crash in range(CRASHES):
            before = worker.counters.snapshots_written
            ends = await pipeline.send(days(1, first=crash))
            if crash % 4 == 3:  # on a slow machine chance alone would stop each run before it comes to write
                await until(lambda: worker.counters.snapshots_written > before)  # noqa: B023 - awaited at once
            await asyncio.sleep(source.uniform(0, 1))
            for _ in range(source.randrange(10)):
                await asyncio.sleep(0)
            written.append(worker.counters.snapshots_written)
            await training.stop()
            training.start()
            await worker.applied(ends)
        await assert_once(pipeline)
        assert worker.counters.samples_learned >= worker.counters.samples_released > 400
        assert len(set(written)) > CRASHES // 4


class Point:
    """Lets the training be cancelled just before or after the n-th write to a topic."""

    def __init__(self, worker: Worker, topic: str, nth: int, *, after: bool) -> None:
        self.reached = asyncio.Event()
        self._send: Any = worker.parts.producer.send_and_wait
        self._topic, self._left, self._after = topic, nth, after
        worker.parts.producer.send_and_wait = self  # type: ignore[method-assign]

    async def __call__(self, topic: str, *args: Any, **options: Any) -> Any:
        if topic != self._topic:
            return await self._send(topic, *args, **options)
        self._left -= 1
        if self._left == 0 and not self._after:
            await self._crash()
        sent = await self._send(topic, *args, **options)
        if self._left == 0:
            await self._crash()
        return sent

    async def _crash(self) -> None:
        self.reached.set()
        await asyncio.sleep(3600)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 5])
async def test_a_crash_around_a_snapshot(pipeline: Pipeline, nth: int, *, after: bool) -> None:
    async with pipeline.worker(clock=CLOCK) as worker:
        point = Point(worker, pipeline.topics.models, nth, after=after)
        ends = await pipeline.send(days(12))
        async with asyncio.timeout(PATIENCE_S):
            await point.reached.wait()
        training: Training = worker._training  # noqa: SLF001 - what is to crash
        await training.stop()
        await worker.applied(ends)
    async with pipeline.worker(clock=CLOCK) as worker:
        await assert_once(pipeline)


LIVE = """
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 200ms}
    sample: {on: [Bought, Seen], every: 50ms, silent_for: 0s}
    features:
      bought: {did: {event: Bought, within: 30d}, transform: log1p}
      seen: {did: {event: Seen, within: 30d}}
    warm_up: 50
segments:
  - {key: likely, when: {score: {model: again, gte: 0.5}}}
"""


@pytest.fixture
async def crew(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> AsyncIterator[Pipeline]:
    store = RedisStore(valkey.url, app_id)
    await store.start()
    yield await make_pipeline(
        broker,
        topic_prefix,
        app_id,
        partitions=2,
        redis=valkey.url,
        store=store,
        rules=load_text(LIVE),
        chunk_size=50,
        grace=100,
        snapshot_every=50,
    )
    await store.drop()
    await store.close()


async def test_the_process_that_learns_is_killed(crew: Pipeline) -> None:
    """Each of two workers is killed in turn, so that the one that learns is, in the midst of a load."""
    started = [await WorkerProcess.start(crew, LIVE) for _ in range(2)]
    try:
        for worker in started:
            await worker.ready()
        for number in range(2):
            load = asyncio.create_task(steady(crew, first=1000 * number))
            await asyncio.sleep(1.0)
            await started[number].kill()
            started.append(await WorkerProcess.start(crew, LIVE))
            await load
            await started[-1].ready()
        last = await in_the_end(crew)
        assert last.samples > 500
        again = await learned_by_one(crew, last)
        assert (last.samples, last.scorer) == (again.samples, again.scorer)
        said = [await worker.terminate() for worker in started[2:]]
        assert any(one["river"] for one in said)
    finally:
        for worker in started:
            if worker.process.returncode is None:
                await worker.kill()


async def steady(crew: Pipeline, *, first: int) -> None:
    """Send a load for three seconds, with the broker's own times."""
    for number in range(30):
        await crew.send(
            (f"c{n}", track(f"c{n}", first + number, event="Bought" if n % 2 else "Seen")) for n in range(20)
        )
        await asyncio.sleep(0.1)
