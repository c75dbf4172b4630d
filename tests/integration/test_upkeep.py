"""A consumer whose tasks fail in silence, or whom the group's coordinator answers oddly, is seen to."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, KafkaError

from rules.errors import ServiceError
from streams.app import build_app
from tests.integration.pipeline import make_pipeline, track, until
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from streams.worker import Worker
    from tests.integration.conftest import Broker
    from tests.integration.pipeline import Pipeline


# ruff: noqa: SLF001 - what is tried has no public face


def consumer_of(worker: Worker) -> Any:
    """Return aiokafka's consumer."""
    return worker._app.chunks._thread._consumer


def fail_once(worker: Worker, method: str, error: KafkaError) -> asyncio.Event:
    """Have the coordinator's next call of a method fail; the event says that it did."""
    coordinator = consumer_of(worker)._coordinator
    right, failed, loop = getattr(coordinator, method), asyncio.Event(), asyncio.get_running_loop()

    async def fail(*_: Any) -> None:
        setattr(coordinator, method, right)
        loop.call_soon_threadsafe(failed.set)
        raise error

    setattr(coordinator, method, fail)
    return failed


async def applied(pipeline: Pipeline, ends: dict[int, int]) -> None:
    """Wait until some worker has applied all before these offsets."""
    async with asyncio.timeout(PATIENCE_S):
        for partition, end in ends.items():
            while (await pipeline.store.head(partition)).offset < end:  # noqa: ASYNC110 - a store has no events
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("method", ["_do_heartbeat", "_do_fetch_commit_offsets", "_do_rejoin_group"])
async def test_an_odd_answer_of_the_coordinator_passes(
    broker: Broker, topic_prefix: str, app_id: str, method: str
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    async with pipeline.worker() as first:
        await first.applied(await pipeline.send([("c1", track("c1", 1))], partition=0))
        failed = fail_once(first, method, KafkaError("UnknownError"))
        async with pipeline.worker() as second:  # so that the group is joined again
            async with asyncio.timeout(PATIENCE_S):
                await failed.wait()
            await until(lambda: len(first.partitions) == len(second.partitions) == 1)
            for partition in (0, 1):
                await applied(pipeline, await pipeline.send([("c1", track("c1", 2))], partition=partition))
            assert first.failure is None


async def test_a_leader_that_has_not_heard_of_the_topic_gives_nobody_nothing(
    broker: Broker, topic_prefix: str, app_id: str
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    async with pipeline.worker() as first:
        await until(lambda: len(first.partitions) == 2)
        cluster = consumer_of(first)._client.cluster
        right, asked = cluster.partitions_for_topic, itertools.count()
        cluster.partitions_for_topic = lambda topic: right(topic) if next(asked) else None
        async with pipeline.worker() as second:
            await until(lambda: len(first.partitions) == len(second.partitions) == 1)
            assert next(asked) > 1


async def test_an_answer_that_no_patience_mends_ends_the_worker(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    async with build_app(pipeline.settings, pipeline.store, pipeline.rules) as worker:
        await until(lambda: len(worker.partitions) == 2)
        fail_once(worker, "_do_heartbeat", GroupAuthorizationFailedError(app_id))
        with pytest.raises(ServiceError, match=app_id):
            async with asyncio.timeout(PATIENCE_S):
                await worker.run()


async def test_a_fetcher_that_died_ends_the_worker(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    async with build_app(pipeline.settings, pipeline.store, pipeline.rules) as worker:
        await until(lambda: len(worker.partitions) == 2)

        def stumble(_: Any) -> None:
            message = "a defect"
            raise AssertionError(message)

        consumer_of(worker)._fetcher._get_actions_per_node = stumble
        with pytest.raises(ServiceError, match="during data retrieval"):
            async with asyncio.timeout(PATIENCE_S):
                await worker.run()


async def test_a_spare_worker_waits_for_its_turn_for_as_long_as_it_takes(
    broker: Broker, topic_prefix: str, app_id: str
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1)
    async with contextlib.AsyncExitStack() as one, contextlib.AsyncExitStack() as other:
        exits = {await stack.enter_async_context(pipeline.worker()): stack for stack in (one, other)}
        await until(lambda: all(worker.joined for worker in exits) and any(worker.partitions for worker in exits))
        [busy] = [worker for worker in exits if worker.partitions]
        [spare] = exits.keys() - {busy}
        consumer_of(spare)._subscription._last_fetch_ended = time.monotonic() - 86_400
        await asyncio.sleep(pipeline.settings.session_timeout / 3_000)  # two heartbeats
        await exits[busy].aclose()
        await until(lambda: bool(spare.partitions))
        await applied(pipeline, await pipeline.send([("c1", track("c1", 1))], partition=0))
