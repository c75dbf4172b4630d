"""A broker that is away for a moment is no reason to stop, and costs no event and no change."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.integration.pipeline import make_pipeline, track
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from tests.integration.conftest import Broker


async def test_a_worker_stops_although_the_broker_is_away(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id)
    try:
        async with asyncio.timeout(PATIENCE_S), pipeline.worker() as worker:
            await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
            await broker.kill()
    finally:
        await broker.restart()


@pytest.mark.kafka  # the embedded broker forgets everything
async def test_a_broker_that_is_killed_and_comes_back(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, publish_deadline=2_000)
    customers = [f"c{number}" for number in range(100)]
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send((c, track(c, 1)) for c in customers))
        await broker.kill()
        await asyncio.sleep(3)  # longer than the publish deadline
        await broker.restart()
        await worker.applied(await pipeline.send((c, track(c, 2)) for c in [*customers, "late"]))
        assert worker.counters.applied == 201
    counts = Counter(change["customer_id"] for change in await pipeline.changes())
    assert counts == dict.fromkeys([*customers, "late"], 1)
