"""`segue replay` through services with models: all that is released is learned, and topics of its own are removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from state.models.snapshot import decode
from streams import learning
from streams.replay import through as through_services
from streams.replay.plan import Plan
from streams.replay.through import replay_through
from streams.settings import Settings
from tests.unit.test_replay_models import DAY_MS, RULES, Replays, Silent, purchases

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker


@pytest.mark.parametrize("step_ms", [None, 30 * DAY_MS], ids=["whole", "stepwise"])
async def test_a_replay_learns_what_the_one_in_memory_learns(
    broker: Broker, valkey: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_ms: int | None
) -> None:
    """The same samples; the scores may differ, since it learns beside the events."""
    monkeypatch.setattr(through_services, "MOST_AHEAD_OF_MODELS", 50)  # the file is small
    monkeypatch.setattr(through_services, "LOOK_EVERY_WITH_MODELS", 20)
    replays = Replays(tmp_path)
    settings = Settings(broker=broker.address, redis=valkey.url, partitions=4)
    changes, models = tmp_path / "changes.jsonl", tmp_path / "through.models"
    plan = Plan(RULES, "segue", DAY_MS, changes=changes, models=models, snapshot_every=50, step_ms=step_ms)
    through = await replay_through(plan, Silent(), settings, replays.events)
    memory, _, data = replays.run()
    assert (through.samples, through.applied, through.customers) == (memory.samples, memory.applied, memory.customers)
    there = {snapshot.model: snapshot for snapshot in map(decode, models.read_bytes().splitlines())}
    here = {snapshot.model: snapshot for snapshot in map(decode, data.splitlines())}
    assert {key: snapshot.samples for key, snapshot in there.items()} == {
        key: snapshot.samples for key, snapshot in here.items()
    }
    moved = {change["segment"] for change in map(json.loads, changes.read_bytes().splitlines())}
    assert {"likely", "dear"} <= moved
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        assert [topic for topic in await admin.list_topics() if topic.startswith("segue-replay-")] == []
    finally:
        await admin.close()


async def test_models_that_cannot_be_learned_end_the_replay(
    broker: Broker, valkey: EmbeddedValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "a defect"
        raise RuntimeError(message)

    monkeypatch.setattr(learning.Class, "learn", fail)
    monkeypatch.setattr("streams.training._LONGEST_PAUSE_S", 0.1)
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"\n".join(value for _, _, value in purchases()))
    settings = Settings(broker=broker.address, redis=valkey.url, partitions=1)
    with pytest.raises(Exception, match="the models cannot be learned"):
        await replay_through(Plan(RULES, "segue", DAY_MS), Silent(), settings, events)
