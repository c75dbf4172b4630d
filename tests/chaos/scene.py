"""One app on real services under load: its topics, its workers, what happens to them, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from rules.load import load_ruleset
from state.redis import RedisStore
from streams.settings import Settings
from streams.topics import Topics, create_topics
from tests.chaos.crew import Crew
from tests.chaos.left_behind import left_behind
from tests.chaos.load import Load
from tests.chaos.topic import Topic
from tests.chaos.verdict import Expected, expect, faults

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rules.ruleset import Ruleset
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

RULES = Path(__file__).with_name("rules.yaml")
TIMES = int(os.environ.get("SEGUE_CHAOS", "1"))
"""How many times as often as in CI each fault happens."""

SEED = os.environ.get("SEGUE_CHAOS_SEED", "")
"""What random things are drawn from; something else each time where empty."""

RATE = float(os.environ.get("SEGUE_CHAOS_RATE", "400"))
"""Events a second."""

SETTLE_S = 40.0
"""How long workers that have something to say may say nothing: longer than any timer of the rules runs."""

HOUR_MS = 3_600_000


@dataclass
class Scene:
    """An app and what happens to it."""

    settings: Settings
    ruleset: Ruleset
    valkey: EmbeddedValkey
    store: RedisStore
    crew: Crew
    load: Load
    random: Random
    events: Topic
    changes: Topic
    rejected: Topic

    async def pause(self, least_s: float, most_s: float) -> None:
        """Let the load run for a random time."""
        await asyncio.sleep(self.random.uniform(least_s, most_s))

    @contextlib.asynccontextmanager
    async def under_load(self, workers: int) -> AsyncIterator[None]:
        """Have so many workers settled under load; in the end, the verdict."""
        await self.crew.hire(workers)
        async with self.load.running():
            await self.crew.settled()
            yield
        await self.verdict()

    async def verdict(self) -> Expected:
        """Hold what was said and what is stored to what the log makes certain.

        The load has ended. The workers go on until nothing is left to fire within the hour, which is when no further
        tick can make more certain; then they are told to end, and what they leave is looked at.
        """
        await self.settled()
        await self.crew.all_leave()
        return await self.judged()

    async def judged(self) -> Expected:
        """Hold what ended workers said and stored to what the log makes certain."""
        expected = await self._expected()
        self._fail_on(faults(expected, self.changes.records))
        await self.rejected.catch_up()
        self._fail_on([line async for line in left_behind(self, expected)])
        self._check_run(expected)
        return expected

    async def settled(self) -> None:
        """Wait until the workers have said all; where they say no more, fail with what they said otherwise."""
        count, since_s = 0, time.monotonic()
        while True:
            await self.changes.catch_up()
            if self.changes.count > count:
                count, since_s = self.changes.count, time.monotonic()
                await asyncio.sleep(0.5)
                continue
            expected = await self._expected()
            now_ms = time.time_ns() // 1_000_000
            found, last_ms = faults(expected, self.changes.records), expected.last_due_ms(now_ms + HOUR_MS)
            if not found and last_ms is None:
                return
            if time.monotonic() - since_s > SETTLE_S:
                self._fail_on([*found, f"the last timer within the hour is due at {last_ms}, now is {now_ms}"])
            await asyncio.sleep(0.5)

    async def _expected(self) -> Expected:
        """Return what the log makes certain, and read the changes: in this order, so that none is too new."""
        await self.events.catch_up()
        expected = expect(self.settings, self.ruleset, self.events.records)
        assert expected.most_back_ms < self.settings.clock_skew, (
            f"the log goes back by {expected.most_back_ms} ms, more than the clock skew of {self.settings.clock_skew} "
            "ms: this machine is too busy for a broker that gives no times of its own"
        )
        await self.changes.catch_up()
        return expected

    def _fail_on(self, found: list[str]) -> None:
        if found:
            lines = "\n".join(found)
            message = f"what was said is not what the log makes certain; logs: {self.crew.logs}\n{lines}"
            raise AssertionError(message)

    def _check_run(self, expected: Expected) -> None:
        """See to it that the run was about something."""
        causes = [change["cause"]["type"] for some in expected.told.values() for change in some]
        assert expected.applied > 0.8 * self.load.sent > 0
        assert expected.duplicates > 0
        assert len(expected.rejected) > 0
        assert causes.count("timer") > 0.1 * len(causes)
        assert expected.ticks > 0


@contextlib.asynccontextmanager
async def make_scene(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, folder: Path, seed: str, **others: Any
) -> AsyncIterator[Scene]:
    """Make topics and store; no worker runs yet. `others` are settings that shall be otherwise."""
    embedded = broker.kind == "embedded"
    given: dict[str, Any] = {
        "broker": broker.address,
        "redis": valkey.url,
        "rules": RULES,
        "app_id": app_id,
        "topic_prefix": topic_prefix,
        "partitions": 6,  # for two workers and for three: Faust leaves one idle where that costs no balance
        "grace": 300,
        "clock_skew": 2_500 if embedded else 100,
        "allow_create_time": embedded,
        "session_timeout": 1_500,
        "chunk_size": 100,
        "cache_customers": 30,  # most profiles come from the store again
        "view_traits": ["plan"],
    }
    settings = Settings(**(given | others))
    await create_topics(settings)
    topics, ruleset = Topics.named(settings), load_ruleset(RULES)
    store = RedisStore(settings.redis, settings.app_id)
    async with contextlib.AsyncExitStack() as stack:
        follow = stack.enter_async_context
        events = await follow(Topic.follow(settings.broker, topics.events, settings.partitions, unbroken=embedded))
        changes = await follow(Topic.follow(settings.broker, topics.changes, settings.partitions, unbroken=embedded))
        rejected = await follow(Topic.follow(settings.broker, topics.rejected, 1, unbroken=embedded))
        await store.start()
        stack.push_async_callback(store.close)
        crew = await stack.enter_async_context(Crew(environment(settings), settings.partitions, folder))
        load = Load(settings.broker, topics.events, settings.partitions, seed=seed, rate=RATE)
        yield Scene(settings, ruleset, valkey, store, crew, load, Random(seed), events, changes, rejected)


def environment(settings: Settings) -> dict[str, str]:
    """Return the settings as environment variables."""
    given = settings.model_dump(mode="json", exclude_unset=True)
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given.items()}
    return {f"SEGUE_{name.upper()}": text for name, text in texts.items()}
