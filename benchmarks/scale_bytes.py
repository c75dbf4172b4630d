"""What a customer with ten events takes in Redis, by kind of key, and what of it the remembered ids are."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from rich.table import Table

from benchmarks.cases import CASES
from benchmarks.scale_population import fill, histories
from rules.dates import DAY_MS
from rules.load import load_ruleset
from state.engine import Engine
from state.redis import RedisStore
from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from benchmarks.cases import Case

CUSTOMERS = 20_000
SPANS = {"within 6 h": DAY_MS // 4, "over 30 d": 30 * DAY_MS}
SLICE = 1_000
PROFILE, DUE, VIEW = "c", "due", "customer"
"""The keys that there is one of, or one entry of, for each customer; what else there is grows with the partitions."""


async def measure_bytes(console: Console) -> None:
    """Fill a store with customers, once with the ids that they remember and once without, and weigh its keys."""
    table = Table(title=f"Bytes a customer in Redis, {CUSTOMERS:,} customers of 10 events each: as Redis counts them")
    for column in ("", "profile", "due entry", "together", "remembered ids", "view", "all keys", "the server"):
        table.add_column(column, justify="right" if table.columns else "left", no_wrap=True)
    lengths = []
    for case in CASES.values():
        for span, span_ms in SPANS.items():
            row, length = await _measure(case, span_ms)
            table.add_row(f"{case.name}, {span}", *(f"{one:,.0f}" for one in row))
            lengths.append(f"{case.name}, {span}: {length}")
    console.print(table)
    console.print("profile without its ids; the ids' share is what the same profiles take more with them", style="dim")
    for length in lengths:
        console.print(length, highlight=False)


async def _measure(case: Case, span_ms: int) -> tuple[list[float], str]:
    engine = Engine(load_ruleset(case.rules))
    made = histories(engine, CUSTOMERS, span_ms)
    async with EmbeddedValkey() as valkey:
        weights = {}
        for app, bare in (("whole", False), ("bare", True)):
            store = RedisStore(valkey.url, app)
            await store.start()
            try:
                await fill(store, engine, CUSTOMERS, made, bare=bare, views=True)
                weights[app] = await _weigh(valkey.url, app)
                await store.drop()
            finally:
                await store.close()
    whole, bare_ = weights["whole"], weights["bare"]
    profile, due, keys = bare_[PROFILE], whole[DUE], sum(size for kind, size in whole.items() if kind != "server")
    row = [profile, due, profile + due, whole[PROFILE] - profile, whole[VIEW], keys, whole["server"]]
    profiles, bares, views = zip(*((len(one.profile), len(one.bare), len(one.view[1])) for one in made), strict=True)
    length = (
        f"a serialized profile has {mean(profiles):,.0f} bytes, {mean(bares):,.0f} without ids; "
        f"a view {mean(views):,.0f}; "
        f"{sum(one.due is not None for one in made) / len(made):.0%} of customers have a timer"
    )
    return [size / CUSTOMERS for size in row], length


async def _weigh(url: str, app: str) -> Mapping[str, int]:
    """Return kind of key -> its bytes by MEMORY USAGE; under `server`, what the server takes for all data."""
    found: dict[str, int] = defaultdict(int)
    async with Redis.from_url(url) as redis:
        keys: list[bytes] = [key async for key in redis.scan_iter(f"{app}:*", count=SLICE)]
        for begin in range(0, len(keys), SLICE):
            part = keys[begin : begin + SLICE]
            async with redis.pipeline(transaction=False) as pipeline:
                for key in part:
                    pipeline.memory_usage(key, samples=0)
                for key, size in zip(part, await pipeline.execute(), strict=True):
                    names = key.decode().removeprefix(f"{app}:").split(":")
                    found[names[1] if names[0].startswith("{") else names[0]] += size
        memory = await redis.info("memory")
        found["server"] = memory["used_memory"] - memory["used_memory_startup"]
    return found
