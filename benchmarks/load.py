"""The load: events from a seed, and how they get into a topic before a worker starts.

Six event names of an online shop over 20,000 customers, a third of the events from a heavy few; one event in forty is
an `identify` where the ruleset reads traits. Times go forward, 100 ms apart on average: a backlog that gathered over
hours. Each record carries its event's time as its own (`CreateTime`), so the log is the one a worker would have seen
live, and what follows from it is the same whenever the benchmark runs.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka.partitioner import DefaultPartitioner

from rules.dates import DAY_MS, format_ms
from streams.producers import plain_producer
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aiokafka import AIOKafkaProducer

PARTITIONS = 8
CUSTOMERS = 20_000
BATCH_BYTES = 65_536
MEAN_STEP_MS = 100
START_MS = 1_760_000_000_000
"""9 October 2025: any instant will do that lies in the past."""

NAMES = ("Page Viewed", "Product Viewed", "Product Added", "Order Completed", "Chat Started", "Email Opened")
CHANNELS = ("web", "app", "store")
CATEGORIES = ("shoes", "books", "garden", "toys", "music")
IDENTIFY_ONE_IN = 40
YEARS_DAYS = 730
"""Customers signed up at any time within so many days."""
HOT = "u0"
"""Whose so many of all events are, where there is one such customer; else one of the many."""


@dataclass(frozen=True, slots=True)
class LoadEvent:
    """One record to send: its partition, its event's time, its key and its value."""

    partition: int
    ts_ms: int
    key: bytes
    value: bytes


def make_load(count: int, *, seed: int = 1, traits: bool = False, hot: float = 0.0) -> list[LoadEvent]:
    """Return `count` events, the same ones for the same arguments.

    With `traits`, one in forty is an `identify`. `hot` is the share of one customer in all of them.
    """
    return list(_events(count, seed, traits=traits, hot=hot))


def _events(count: int, seed: int, *, traits: bool, hot: float) -> Iterator[LoadEvent]:
    draw = random.Random(seed)
    partitioner, everywhere = DefaultPartitioner(), list(range(PARTITIONS))
    places: dict[str, int] = {}
    ts_ms = START_MS
    for number in range(count):
        ts_ms += draw.randrange(2 * MEAN_STEP_MS)
        customer = HOT if hot and draw.random() < hot else _customer(draw)
        key = customer.encode()
        place = places.get(customer)
        if place is None:
            place = places[customer] = partitioner(key, everywhere, everywhere)
        if traits and draw.randrange(IDENTIFY_ONE_IN) == 0:
            body = _identify(draw, ts_ms - int(customer[1:]) % YEARS_DAYS * DAY_MS)
        else:
            body = _track(draw)
        value = {"messageId": f"m{seed}-{number}", "userId": customer, **body, "timestamp": format_ms(ts_ms)}
        yield LoadEvent(place, ts_ms, key, orjson.dumps(value))


def _customer(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return f"u{int(draw.paretovariate(1.1) * 50) % CUSTOMERS}"
    return f"u{draw.randrange(CUSTOMERS)}"


def _track(draw: random.Random) -> dict[str, Any]:
    properties = {
        "total": round(draw.random() * 120, 2),
        "sku": f"s{draw.randrange(999)}",
        "category": draw.choice(CATEGORIES),
        "channel": draw.choice(CHANNELS),
    }
    return {"type": "track", "event": NAMES[min(int(draw.expovariate(0.6)), 5)], "properties": properties}


def _identify(draw: random.Random, signed_up_ms: int) -> dict[str, Any]:
    traits: dict[str, Any] = {"newsletter": draw.random() < 0.5, "signed_up": format_ms(signed_up_ms)[:10]}
    if draw.random() < 0.8:
        traits["email"] = f"{draw.randrange(10**6)}@example.com"
    return {"type": "identify", "traits": traits}


def ends(load: Sequence[LoadEvent]) -> dict[int, int]:
    """Return partition -> the offset after its last event on a fresh topic."""
    counts = Counter(event.partition for event in load)
    return {partition: counts[partition] for partition in range(PARTITIONS)}


async def send(broker: str, topic: str, load: Sequence[LoadEvent]) -> None:
    """Append them to the topic, in order within each partition, and wait until the broker has them all."""
    async with plain_producer(Settings(broker=broker)) as producer:
        by_partition: list[list[LoadEvent]] = [[] for _ in range(PARTITIONS)]
        for event in load:
            by_partition[event.partition].append(event)
        await asyncio.gather(*(_fill(producer, topic, part) for part in by_partition))


async def _fill(producer: AIOKafkaProducer, topic: str, load: Sequence[LoadEvent]) -> None:
    at, sent = 0, None
    while at < len(load):
        batch, size = producer.create_batch(), 0
        while at < len(load) and size < BATCH_BYTES:
            event = load[at]
            batch.append(key=event.key, value=event.value, timestamp=event.ts_ms)
            size += len(event.value)
            at += 1
        if sent is not None:
            await sent
        sent = await producer.send_batch(batch, topic, partition=load[0].partition)
    if sent is not None:
        await sent
