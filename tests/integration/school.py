"""An app with a model, for tests: customers that buy again or do not, and what became of their samples."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from rules.dates import format_ms
from rules.load import load_text
from state.models.snapshot import Snapshot, decode
from streams.samples import WireSample, decode_sample
from tests.integration.pipeline import Pipeline, track

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiokafka.structs import ConsumerRecord

    from rules.ruleset import Ruleset

RULES = """
models:
  - key: again
    kind: propensity
    target: {{event: Bought, within: {within}}}
    sample: {{on: [Bought, Seen], every: 12h, silent_for: 0s}}
    features:
      bought: {{did: {{event: Bought, within: 30d}}, transform: log1p}}
      seen: {{did: {{event: Seen, within: 30d}}}}
    warm_up: {warm_up}
segments:
  - {{key: likely, when: {{score: {{model: again, gte: 0.5}}}}}}
  - {{key: buyer, when: {{did: {{event: Bought}}}}}}
"""
"""Whoever has bought buys again: the number of purchases says all."""

DAY_S = 86_400
START_S = 1_767_225_600  # 2026-01-01


def rules(*, warm_up: int = 50, within: str = "2d") -> Ruleset:
    return load_text(RULES.format(warm_up=warm_up, within=within))


def days(count: int, customers: int = 20, *, first: int = 0, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield (customer, event) of so many days: even customers buy every day, odd ones look."""
    source = random.Random(seed)
    for day in range(first, first + count):
        for customer in range(customers):
            at = START_S + day * DAY_S + customer * 60 + source.randrange(60)
            event = "Seen" if customer % 2 else "Bought"
            yield f"c{customer}", track(f"c{customer}", day, format_ms(at * 1000), event)


async def records(pipeline: Pipeline, topic: str) -> list[ConsumerRecord[bytes | None, bytes | None]]:
    """Return all records of a topic of one partition, as far as it goes now."""
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=pipeline.settings.broker, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    async with consumer:
        consumer.assign([place])
        found: list[ConsumerRecord[bytes | None, bytes | None]] = []
        while (end := consumer.highwater(place)) is None or await consumer.position(place) < end:
            found += (await consumer.getmany(place, timeout_ms=100)).get(place, [])
        return found


async def samples(pipeline: Pipeline) -> list[WireSample]:
    return [decode_sample(record.value or b"") for record in await records(pipeline, pipeline.topics.samples)]


async def snapshots(pipeline: Pipeline) -> list[Snapshot]:
    return [decode(record.value) for record in await records(pipeline, pipeline.topics.models) if record.value]


async def newest(pipeline: Pipeline, definition: str | None = None) -> Snapshot | None:
    """Return the snapshot with the highest offset, of the pipeline's own model or of another definition."""
    wanted = definition or pipeline.rules.models[0].definition
    found = [snapshot for snapshot in await snapshots(pipeline) if snapshot.definition == wanted]
    return max(found, key=lambda snapshot: (snapshot.offset, snapshot.version), default=None)


def distinct(found: list[WireSample]) -> Counter[str]:
    return Counter(sample.id for sample in found)
