"""Whatever is sent, the worker goes on: bad records stand on the rejected topic, those beside them are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from state.redis import RedisStore
from tests.fuzz.inside import RULES, VIEW_TRAITS
from tests.fuzz.services import through
from tests.fuzz.worlds import world
from tests.integration.pipeline import make_pipeline

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

WORLDS = 2


async def test_worlds_of_bad_records_leave_the_good_ones_alone(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    store = RedisStore(valkey.url, app_id, patience_s=5)
    await store.start()
    try:
        pipeline = await make_pipeline(
            broker, topic_prefix, app_id, store=store, rules=RULES, view_traits=list(VIEW_TRAITS)
        )
        outcome = await through(pipeline, [sent for number in range(WORLDS) for sent in world(1, number)])
    finally:
        await store.close()
    assert outcome.faults == []
    assert sum(outcome.became.values()) > 990 * WORLDS
    assert len(outcome.became) > 12
