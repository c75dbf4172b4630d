"""Partitions' work shared out between processes by a consumer group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rules.errors import ServiceError
from streams.child import free_port
from streams.embedded import EmbeddedBroker
from streams.http.owning import owning
from streams.settings import Settings
from streams.topics import create_topics
from tests.integration.pipeline import make_pipeline, until

if TYPE_CHECKING:
    import contextlib

    from tests.integration.conftest import Broker

PARTITIONS = 4


class Owner:
    """Stands for one process: which partitions it works on, and how often each began."""

    def __init__(self) -> None:
        self.working: set[int] = set()
        self.begun: list[int] = []
        self.failing = 0

    async def run(self, partition: int) -> None:
        self.begun.append(partition)
        if self.failing:
            self.failing -= 1
            message = "not now"
            raise ServiceError(message)
        self.working.add(partition)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # ending takes a moment, and is waited for
            self.working.discard(partition)


async def test_partitions_are_shared_and_go_to_who_stays(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=PARTITIONS)
    everything = set(range(PARTITIONS))
    one, two = Owner(), Owner()

    def own(owner: Owner) -> contextlib.AbstractAsyncContextManager[None]:
        return owning(pipeline.settings, "work", pipeline.topics.changes, owner.run)

    async with own(one):
        await until(lambda: one.working == everything)
        async with own(two):
            await until(lambda: bool(one.working and two.working and one.working | two.working == everything))
            assert not one.working & two.working
        assert not two.working
        await until(lambda: one.working == everything)
    assert not one.working


async def test_work_that_fails_begins_again(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1)
    owner = Owner()
    owner.failing = 3
    async with owning(pipeline.settings, "work", pipeline.topics.changes, owner.run):
        await until(lambda: owner.working == {0})
    assert owner.begun == [0, 0, 0, 0]


@pytest.mark.embedded  # a broker of its own
async def test_the_broker_may_come_later_and_its_topics_later_still(
    topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    settings = Settings(
        broker=f"127.0.0.1:{port}",
        topic_prefix=topic_prefix,
        app_id=app_id,
        partitions=2,
        allow_create_time=True,
        session_timeout=1_500,
    )
    owner = Owner()
    async with owning(settings, "work", f"{topic_prefix}segment-changes", owner.run):
        await until(lambda: "cannot ask the broker" in caplog.text)
        async with EmbeddedBroker(port=port):
            await until(lambda: "there is no such topic" in caplog.text)
            await create_topics(settings)
            await until(lambda: owner.working == {0, 1})
