"""Models in a replay in memory: learned in step, the same every time, however the file is gone through."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from rules.dates import format_ms
from rules.errors import ReplayError
from rules.load import load_text
from state.models.snapshot import Snapshot, decode
from streams.replay.from_file import replay_in_memory
from streams.replay.from_log import replay_dump
from streams.replay.plan import Plan
from streams.settings import Settings
from tests.unit.examples import START_MS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from streams.replay.outcome import Outcome

DAY_MS = 86_400_000
RULES = load_text("""
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 7d}
    sample: {on: [Bought], every: 2d, silent_for: 30d}
    features:
      bought: {did: {event: Bought, within: 30d}, transform: log1p}
      quiet: {since_last: {event: "*"}, missing: 30}
    warm_up: 50
  - key: spend
    kind: value
    target: {event: Bought, of: total, within: 7d}
    sample: {every: 3d, silent_for: 30d}
    features: {spent: {total: {event: Bought, of: total, agg: sum, within: 30d}, transform: log1p}}
    warm_up: 50
segments:
  - {key: likely, when: {score: {model: again, gte: 0.5}}}
  - {key: dear, when: {score: {model: spend, gte: 20}}, until: {score: {model: spend, lt: 10}}}
  - {key: recent, when: {did: {event: Bought, within: 10d}}}
""")


class Silent:
    """A report to nobody."""

    def begin(self, what: str, total: int) -> None:
        """Say nothing."""

    def progress(self, done: int) -> None:
        """Say nothing."""

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Say nothing."""

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Say nothing."""

    def learned(self, model: str, value: bytes) -> None:
        """Say nothing."""


def purchases(days: int = 120, customers: int = 30, late_ms: int = 0) -> Iterator[tuple[int, str, bytes]]:
    """Yield (time, customer, event): some buy often, some seldom, some stop."""
    source = random.Random(7)
    events = []
    for number in range(customers):
        often, until = 0.05 + 0.4 * (number % 3), days if number % 5 else days // 2
        for day in range(until):
            if source.random() < often:
                at_ms = START_MS + day * DAY_MS + source.randrange(DAY_MS)
                events.append((at_ms, f"c{number}", source.randrange(50)))
    for count, (at_ms, customer, total) in enumerate(sorted(events, key=lambda one: one[0] // max(late_ms, 1))):
        body: dict[str, Any] = {"type": "track", "userId": customer, "event": "Bought", "messageId": str(count)}
        body |= {"timestamp": format_ms(at_ms), "properties": {"total": total}}
        yield at_ms, customer, json.dumps(body).encode()


class Replays:
    """Replays of one file, and what each wrote."""

    def __init__(self, folder: Path, late_ms: int = 0) -> None:
        self.folder = folder
        self.events = folder / "events.jsonl"
        self.events.write_bytes(b"\n".join(value for _, _, value in purchases(late_ms=late_ms)))
        self.count = 0

    def run(self, **options: Any) -> tuple[Outcome, list[dict[str, Any]], bytes]:
        self.count += 1
        changes, models = self.folder / f"{self.count}.jsonl", self.folder / f"{self.count}.models"
        plan = Plan(RULES, "segue", DAY_MS, changes=changes, models=models, snapshot_every=50, **options)
        outcome = replay_in_memory(plan, Silent(), self.events)
        return outcome, read_changes(changes), models.read_bytes()


def read_changes(path: Path) -> list[dict[str, Any]]:
    changes = [json.loads(line) for line in path.read_bytes().splitlines()]
    for change in changes:
        del change["emitted_at"]
    return changes


def read_models(data: bytes) -> list[Snapshot]:
    return [decode(line) for line in data.splitlines()]


@pytest.mark.parametrize("late_ms", [0, DAY_MS // 2], ids=["in order", "late"])
def test_every_run_says_the_same_whole_or_stepwise(tmp_path: Path, late_ms: int) -> None:
    replays = Replays(tmp_path, late_ms)
    first = replays.run()
    again, stepwise, small = replays.run(), replays.run(step_ms=30 * DAY_MS), replays.run(step_ms=DAY_MS // 3)
    for other in (again, stepwise, small):
        assert other[1:] == first[1:]
        assert other[0].samples == first[0].samples


def test_what_is_learned_is_measured_and_reaches_segments(tmp_path: Path) -> None:
    outcome, changes, data = Replays(tmp_path).run()
    found = read_models(data)
    assert outcome.snapshots == len(found) > 10
    newest = {snapshot.model: snapshot for snapshot in found}
    assert sum(snapshot.samples for snapshot in newest.values()) == outcome.samples > 500
    assert [snapshot.version for snapshot in found if snapshot.model == "again"] == list(
        range(1, newest["again"].version + 1)
    )
    moved = {change["segment"] for change in changes if change["because"][0].get("model")}
    assert moved == {"likely", "dear"}
    assert any(line.startswith("samples") for line in outcome.summary())


def test_a_horizon_ends_the_learning(tmp_path: Path) -> None:
    replays = Replays(tmp_path)
    whole, half = replays.run(), replays.run(until_ms=START_MS + 60 * DAY_MS)
    assert 0 < half[0].samples < whole[0].samples
    shorter = read_models(half[2])
    # up to the horizon the same was learned; the last version of each model is the end's own
    for model in ("again", "spend"):
        mine = [snapshot for snapshot in shorter if snapshot.model == model][:-1]
        theirs = [snapshot for snapshot in read_models(whole[2]) if snapshot.model == model]
        assert mine == theirs[: len(mine)]
        assert mine


def test_a_log_with_the_brokers_times_says_the_same_every_time(tmp_path: Path) -> None:
    dump = tmp_path / "dump.jsonl"
    lines = [
        {"partition": int(customer[1:]) % 2, "broker_ms": at_ms, "key": customer, "value": value.decode()}
        for at_ms, customer, value in purchases()
    ]
    dump.write_text("\n".join(map(json.dumps, lines)))
    told = []
    for step_ms in (None, None, 30 * DAY_MS):
        changes, models = tmp_path / "changes.jsonl", tmp_path / "models.jsonl"
        plan = Plan(RULES, "segue", DAY_MS, changes=changes, models=models, snapshot_every=50, step_ms=step_ms)
        outcome = replay_dump(plan, Silent(), Settings(), dump)
        told.append((outcome.samples, outcome.drifts, read_changes(changes), models.read_bytes()))
    assert told[0] == told[1] == told[2]
    assert told[0][0] > 500


def test_models_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    plan = Plan(RULES, "segue", DAY_MS, models=tmp_path / "none" / "models.jsonl")
    with pytest.raises(ReplayError, match="the models cannot be written"):
        replay_in_memory(plan, Silent(), Replays(tmp_path).events)
