"""What a worker said of a log in real time, held to the tools of a user, and to the naive evaluator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from rules.dates import format_ms
from tests.chaos.scene import RULES
from tests.chaos.user import read, segue
from tests.chaos.verdict import differences, heard
from tests.oracle import Record, expected_live

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.scene import Scene
    from tests.chaos.verdict import Told

pytestmark = pytest.mark.chaos

FIELDS = ("seq", "change", "segment", "segmentation", "other", "at", "cause", "segments")


async def test_live_replays_and_the_naive_evaluator_say_what_the_worker_said(scene: Scene, tmp_path: Path) -> None:
    scene.load.rate = 120
    async with scene.under_load(1):
        await scene.pause(2, 3)

    said, dump, changes = heard(scene.changes.records), tmp_path / "dump.jsonl.gz", tmp_path / "changes.jsonl"
    await segue(scene, "dump", "--out", dump)
    await segue(scene, "replay", "--live", "--events", dump, "--changes", changes)
    assert not list(differences(said, read(changes)))
    await segue(scene, "replay", "--live", "--topic", "--changes", changes)
    assert not list(differences(said, read(changes)))
    told = await asyncio.to_thread(evaluated, scene)  # it takes seconds, and clients have heartbeats to send
    assert not list(differences(cut(said), told))


def cut(told: Told) -> Told:
    """Leave out what the naive evaluator does not say: ids, reasons, and the ruleset's version."""
    return {who: [{name: change[name] for name in FIELDS} for change in some] for who, some in told.items()}


def evaluated(scene: Scene) -> Told:
    records = [
        Record(record.value or b"", record.key, record.timestamp, record.partition, record.headers)
        for some in scene.events.records.values()
        for record in some
    ]
    settings = scene.settings
    result = expected_live(
        yaml.safe_load(RULES.read_text()),
        records,
        grace_ms=settings.grace,
        clock_skew_ms=settings.clock_skew,
        max_future_ms=settings.max_future,
        max_late_ms=settings.max_late,
    )
    told: Told = {}
    for one in result.changes:
        change: dict[str, Any] = {name: getattr(one, name) for name in FIELDS}
        change |= {"at": format_ms(one.at), "cause": dict(one.cause), "segments": list(one.segments)}
        told.setdefault(one.customer_id, []).append(change)
    return told
