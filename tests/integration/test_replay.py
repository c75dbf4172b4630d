"""`segue replay` through services says what the replay in memory says, change for change, and leaves nothing behind."""

from __future__ import annotations

import gc
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from aiokafka.admin import AIOKafkaAdminClient

from rules.durations import UNITS_MS
from rules.errors import ReplayError
from rules.load import load_ruleset, load_text
from streams.demo import cdnow
from streams.replay.from_file import replay_in_memory
from streams.replay.plan import Plan
from streams.replay.through import replay_through
from streams.settings import Settings
from tests.strategies import sample, sample_long
from tests.strategies.merged import merged_definitions, merged_lines

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from rules.ruleset import Ruleset
    from streams.embedded import EmbeddedValkey
    from streams.replay.outcome import Outcome
    from tests.integration.conftest import Broker

CASES = 50
LONG_CASES = 4
DAY_MS = UNITS_MS["d"]
HARD = load_text("segments: [{key: seen, when: {did: {event: '*', within: 1h}}}]")


@dataclass
class Heard:
    """A report that keeps what it is told."""

    standings: list[tuple[int, int, dict[str, int]]] = field(default_factory=list)
    changed_count: int = 0

    def begin(self, what: str, total: int) -> None:
        """Listen."""

    def progress(self, done: int) -> None:
        """Listen."""

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Keep where things stood."""
        self.standings.append((at_ms, events, dict(sizes)))

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Count."""
        self.changed_count += 1

    def learned(self, model: str, value: bytes) -> None:
        """Listen."""


@dataclass
class Ways:
    """Both ways of replaying a file."""

    settings: Settings
    folder: Path
    heard: Heard = field(default_factory=Heard)
    heard_in_memory: Heard = field(default_factory=Heard)

    async def replay(self, ruleset: Ruleset, events: Path, **options: Any) -> Outcome:
        """Replay both ways; assert that they say the same, and return what the services' way counted."""
        there, here = self.folder / "through.jsonl", self.folder / "memory.jsonl"
        plan: dict[str, Any] = {"ruleset": ruleset, "app_id": "segue", "max_late_ms": DAY_MS} | options
        through = await replay_through(Plan(**plan, changes=there), self.heard, self.settings, events)
        memory = replay_in_memory(Plan(**plan, changes=here), self.heard_in_memory, events)
        assert by_customer(there) == by_customer(here)
        assert told(through) == told(memory)
        return through


def by_customer(path: Path) -> dict[str, list[dict[str, Any]]]:
    customers: dict[str, list[dict[str, Any]]] = {}
    for line in path.read_bytes().splitlines():
        change = json.loads(line)
        assert change.pop("emitted_at")
        customers.setdefault(change["customer_id"], []).append(change)
    return customers


def told(outcome: Outcome) -> tuple[Any, ...]:
    return (
        outcome.events, outcome.applied, outcome.duplicates, outcome.after_until, outcome.customers, outcome.rejected,
        outcome.changes, outcome.horizon_ms,
    )  # fmt: skip


@pytest.fixture
def ways(broker: Broker, valkey: EmbeddedValkey, tmp_path: Path) -> Ways:
    return Ways(Settings(broker=broker.address, redis=valkey.url), tmp_path)


def some_purchases(folder: Path, every: int) -> Path:
    """Return a file with the purchases of every so manieth customer."""
    events = folder / "cdnow.jsonl"
    events.write_bytes(b"".join(line for line in cdnow.event_lines() if int(json.loads(line)["userId"]) % every == 0))
    return events


async def test_real_purchases_stepwise(ways: Ways, tmp_path: Path) -> None:
    events = some_purchases(tmp_path, 40)
    outcome = await ways.replay(load_ruleset(cdnow.RULES), events, step_ms=56 * DAY_MS)
    assert (outcome.customers, outcome.events) == (589, 1676)
    assert ways.heard.standings == ways.heard_in_memory.standings
    assert len(ways.heard.standings) == 10
    assert ways.heard.changed_count == sum(outcome.changes.values()) > 6_000


async def test_a_horizon_within_the_file(ways: Ways, tmp_path: Path) -> None:
    outcome = await ways.replay(
        load_ruleset(cdnow.RULES), some_purchases(tmp_path, 200), until_ms=880_000_000_000, app_id="another"
    )
    assert outcome.after_until > 50


async def test_random_cases_in_one_file(ways: Ways, tmp_path: Path) -> None:
    cases = [sample(seed, live=False) for seed in range(CASES)]
    cases += [sample_long(seed, live=False) for seed in range(LONG_CASES)]
    ruleset = load_text(json.dumps(merged_definitions(cases)), json=True)
    events = tmp_path / "random.jsonl"
    events.write_bytes(b"\n".join(merged_lines(cases)))
    outcome = await ways.replay(ruleset, events)
    assert outcome.customers > 70
    assert sum(outcome.changes.values()) > 1_500
    assert outcome.duplicates > 10
    assert len(outcome.rejected) > 5


async def test_a_file_with_nothing_to_apply(ways: Ways, tmp_path: Path) -> None:
    events = tmp_path / "broken.jsonl"
    events.write_bytes(b"\n{\n" + b"x" * 100_000 + b'\n{"type":"page","userId":"u"}\n')
    outcome = await ways.replay(HARD, events)
    assert outcome.rejected == {"not_json": 1, "too_large": 1, "no_timestamp": 1}
    assert outcome.horizon_ms is None


async def names(broker: Broker, valkey: EmbeddedValkey) -> tuple[set[str], set[str]]:
    """Return the replays' topics and keys that are there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        topics = {topic for topic in await admin.list_topics() if topic.startswith("segue-replay-")}
    finally:
        await admin.close()
    async with redis.asyncio.Redis.from_url(valkey.url, protocol=2) as client:
        return topics, {key async for key in client.scan_iter("segue-replay-*")}


async def test_nothing_is_left_behind(ways: Ways, broker: Broker, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    await ways.replay(HARD, some_purchases(tmp_path, 1000))
    assert await names(broker, valkey) == (set(), set())


class Interrupted(Heard):
    """Fails when half of it is done."""

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        super().standing(at_ms, events, sizes)
        if len(self.standings) == 5:
            message = "interrupted"
            raise ReplayError(message)


async def test_nothing_is_left_behind_by_one_that_fails_midway(
    ways: Ways, broker: Broker, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    report = Interrupted()
    with pytest.raises(ReplayError, match="interrupted"):
        await replay_through(
            Plan(HARD, "segue", DAY_MS, step_ms=DAY_MS), report, ways.settings, some_purchases(tmp_path, 1000)
        )
    assert len(report.standings) == 5
    gc.collect()
    assert await names(broker, valkey) == (set(), set())


async def test_a_replay_whose_changes_cannot_be_written_makes_nothing(ways: Ways, tmp_path: Path) -> None:
    plan = Plan(HARD, "segue", DAY_MS, changes=tmp_path / "none" / "changes.jsonl")
    nowhere = ways.settings.model_copy(update={"broker": "127.0.0.1:1", "redis": "redis://127.0.0.1:1"})
    with pytest.raises(ReplayError, match="cannot be written"):
        await replay_through(plan, Heard(), nowhere, some_purchases(tmp_path, 1000))
