"""`segue apply` under a running worker: it changes over between chunks, and brings every customer along."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from rules.load import load_text
from streams.definitions import Definitions
from tests.integration.pipeline import Pipeline, make_pipeline, track

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.integration.conftest import Broker

OLD = load_text("""
segments:
  - {key: buyer, when: {did: {event: Bought, within: 30d}}}
  - {key: seen, when: {did: {event: "*"}}}
""")
NEW = load_text("""
segments:
  - {key: buyer, name: Buyers, when: {did: {event: Bought, within: 30d}}}
  - {key: twice, when: {did: {event: Bought, times: {gte: 2}, within: 30d}}}
  - {key: quiet, when: {not: {did: {event: Bought, within: 30d}}}}
""")


async def until(holds: Callable[[], Any], what: str, patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not await holds():
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        await asyncio.sleep(0.1)


async def test_a_running_worker_changes_over(broker: Broker, topic_prefix: str, app_id: str) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=2, rules=OLD, rules_poll=200)
    async with pipeline.worker() as worker:
        await worker.applied(
            await pipeline.send([("ann", track("ann", 1, event="Bought")), ("bob", track("bob", 1, event="Looked"))])
        )
        active = await pipeline.store.activate(NEW.version, NEW.source)
        assert active.number == 2
        await until(lambda: _all_passed(pipeline, 2), "every partition stands under the new ruleset")
        again = [("ann", track("ann", 2, event="Bought")), ("ann", track("ann", 3, event="Bought"))]
        await worker.applied(await pipeline.send(again))
    changes = await pipeline.changes()
    cause = {"type": "definition", "ruleset": NEW.version}
    told = [(c["customer_id"], c["seq"], c["change"], c["segment"], c["cause"]["type"]) for c in changes]
    assert sorted(told) == [
        ("ann", 1, "entered", "buyer", "event"),
        ("ann", 2, "entered", "seen", "event"),
        ("ann", 3, "exited", "seen", "definition"),  # gone; `buyer` stays, its key and its counter are the same
        ("ann", 4, "entered", "twice", "event"),  # its counter began empty
        ("bob", 1, "entered", "seen", "event"),
        ("bob", 2, "exited", "seen", "definition"),
        ("bob", 3, "entered", "quiet", "definition"),
    ]
    assert [c["cause"] for c in changes if c["cause"]["type"] == "definition"] == [cause] * 3
    assert await pipeline.store.sizes(range(2)) == {"buyer": 1, "quiet": 1, "twice": 1}


async def _all_passed(pipeline: Pipeline, number: int) -> bool:
    heads = [await pipeline.store.head(partition) for partition in range(pipeline.settings.partitions)]
    return all(head.passed == number for head in heads if head.number)  # a partition with no record commits nothing


async def test_rules_given_to_a_worker_do_not_move_the_active_ones(
    broker: Broker, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1, rules=OLD)
    await pipeline.store.activate(NEW.version, NEW.source)
    definitions = await Definitions.begin(pipeline.store, pipeline.settings, OLD)
    assert definitions.active.engine.version == NEW.version
    assert "`segue apply` moves it" in caplog.text
