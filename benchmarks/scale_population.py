"""Customers straight into the store: profiles that the engine made, in commits as a worker makes them.

A customer's stored profile does not say whose it is (the key does), so a population of a million is made of some
thousands of histories, each applied by the engine event by event, and given to many customers.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from redis.asyncio import Redis

from benchmarks.load import PARTITIONS, START_MS, LoadEvent, make_load
from rules.dates import DAY_MS, format_ms
from rules.features import NEVER
from state.store import Commit
from state.view import encode_view
from streams.clocks import live_clock
from streams.events import decode_event
from streams.replay.sender import partition_of
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from state.engine import Engine
    from state.profile import Profile
    from state.store import Store

EVENTS_EACH = 10
END_MS = START_MS + 60 * DAY_MS
"""The histories' end. Timers due until then have fired."""
REWRITE_POLL_S = 0.1
SLICE = 5_000
"""Customers in a commit: what a worker applies in one, too."""


@dataclass(frozen=True, slots=True)
class History:
    """What the store keeps of one customer's events so far."""

    profile: bytes
    bare: bytes
    """The same profile, had it no ids of messages to remember."""
    due: int | None
    segments: tuple[str, ...]
    view: tuple[int, bytes]


def histories(engine: Engine, count: int, span_ms: int, *, seed: int = 1) -> list[History]:
    """Return so many customers with ten events each, at any time within the span (ms) before `END_MS`.

    The events are those of the throughput benchmark's load, one in forty an `identify`.
    """
    draw = random.Random(seed)
    load = iter(make_load(count * EVENTS_EACH, seed=seed, traits=True))
    clock = live_clock(Settings())
    found = []
    for number in range(count):
        profile = engine.new(f"u{number}")
        times = sorted(END_MS - draw.randrange(1, span_ms) for _ in range(EVENTS_EACH))
        for event in given(itertools.islice(load, EVENTS_EACH), [profile.customer] * EVENTS_EACH, times):
            engine.apply(profile, decode_event(event.value, event.ts_ms, clock))
        engine.advance(profile, END_MS)
        found.append(_history(engine, profile))
    return found


def _history(engine: Engine, profile: Profile) -> History:
    data, due = engine.encode(profile), None if profile.due == NEVER else profile.due
    view, segments = encode_view(engine.show(profile)), tuple(engine.segments(profile))
    profile.ids.clear()
    return History(data, engine.encode(profile), due, segments, view)


def given(load: Iterator[LoadEvent], customers: Sequence[str], times: Sequence[int]) -> Iterator[LoadEvent]:
    """Give the load's events to other customers at other times, as many as there are customers."""
    for customer, ts_ms, event in zip(customers, times, load, strict=False):
        body = orjson.loads(event.value)
        body |= {"userId": customer, "messageId": f"{body['messageId']}-{ts_ms}", "timestamp": format_ms(ts_ms)}
        key = customer.encode()
        yield LoadEvent(partition_of(key, PARTITIONS), ts_ms, key, orjson.dumps(body))


async def fill(
    store: Store, engine: Engine, customers: int, made: Sequence[History], *, bare: bool = False, views: bool = False
) -> None:
    """Put customers u0, u1, … into an app's empty store, with offset 0 as the next one to read.

    `bare`: with the profiles that remember no ids. `views`: with what chat tools read (under each history's own id).
    """
    active = await store.activate(engine.ruleset.version, engine.ruleset.source)
    places: list[list[int]] = [[] for _ in range(PARTITIONS)]
    for customer in range(customers):
        places[partition_of(f"u{customer}".encode(), PARTITIONS)].append(customer)
    for partition, mine in enumerate(places):
        head = await store.take_over(partition)
        for number, begin in enumerate(range(0, max(1, len(mine)), SLICE), head.number + 1):
            own = {f"u{customer}": made[customer % len(made)] for customer in mine[begin : begin + SLICE]}
            commit = Commit(
                partition=partition,
                epoch=head.epoch,
                number=number,
                token=secrets.token_hex(8),
                ruleset=active.number,
                from_offset=0,
                next_offset=0,
                profiles={customer: one.bare if bare else one.profile for customer, one in own.items()},
                due={customer: one.due for customer, one in own.items()},
                sizes=Counter(segment for one in own.values() for segment in one.segments),
                marker=0,
                passed=active.number,
                forms=engine.form,
            )
            await store.commit(commit)
            if views:
                await store.write_views({customer: one.view for customer, one in own.items()})


async def settled(url: str) -> None:
    """Have the server rewrite its append-only file, and wait until it has: else it would do so while it is measured."""
    async with Redis.from_url(url) as redis:
        await _rewritten(redis)
        await redis.bgrewriteaof()
        await _rewritten(redis)


async def _rewritten(redis: Redis) -> None:
    while True:
        info = await redis.info("persistence")
        if not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]:
            return
        await asyncio.sleep(REWRITE_POLL_S)
