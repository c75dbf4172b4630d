"""What one run of learning does with good samples, bad ones, and models that cannot go on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from rules.errors import StateError
from rules.load import load_text
from state.models.sample import Sample
from state.models.snapshot import Snapshot, decode
from state.models.trainer import Trainer
from streams import learning
from streams.counters import Counters
from streams.learning import Class, Course
from streams.samples import sample_bytes

if TYPE_CHECKING:
    from streams.reader import Record

RULESET = load_text("""
models:
  - key: again
    kind: propensity
    target: {event: Bought, within: 2d}
    sample: {every: 1d}
    features: {a: {did: {event: Bought, within: 3d}}}
    warm_up: 5
  - key: more
    kind: propensity
    target: {event: Bought, within: 3d}
    sample: {every: 1d}
    features: {b: {did: {event: Bought, within: 3d}}}
""")
AGAIN, MORE = RULESET.models
NAMES = {"again": ("a",), "more": ("b",)}


def record(offset: int, value: bytes) -> Record:
    made: Record = ConsumerRecord("samples", 0, offset, 0, 1, None, value, None, 0, len(value), ())
    return made


def sample(number: int, model: Any = AGAIN, **changes: Any) -> bytes:
    made = Sample(
        model.key, model.definition, f"c{number}", number, number + 1, "event", (number % 3,), float(number % 2)
    )
    return sample_bytes(msgspec.structs.replace(made, **changes), NAMES[model.key], (0, number, 0))


class Bench:
    """Parts that write into lists."""

    def __init__(self, every: int = 10) -> None:
        self.written: list[tuple[str, bytes, bytes]] = []
        self.counters = Counters()
        self.parts: Any = SimpleNamespace(
            counters=self.counters,
            settings=SimpleNamespace(snapshot_every=every, publish_deadline=1_000),
            topics=SimpleNamespace(samples="samples", models="models", model_events="model-events"),
            producer=SimpleNamespace(send_and_wait=self.send),
            now_ms=lambda: 7,
        )

    async def send(self, topic: str, value: bytes, *, key: bytes, partition: int) -> None:
        assert partition == 0
        self.written.append((topic, key, value))

    def courses(
        self, snapshots: dict[str, Snapshot] | None = None, first: int = 0, end: int = 100
    ) -> dict[str, Course]:
        begun = learning._courses(self.parts, RULESET.models, snapshots or {}, first, end)  # noqa: SLF001 - its own
        return {course.model.key: course for course in begun}

    async def write(self, courses: dict[str, Course], *, at_once: bool = False) -> None:
        await learning._write(self.parts, courses, at_once=at_once)  # noqa: SLF001 - likewise


def learn(lesson: Class, records: list[Record]) -> list[int]:
    """Learn them all; return where each turn ended."""
    ends, index = [], 0
    while index < len(records):
        index = lesson.learn(records, index)
        ends.append(index)
    return ends


@pytest.fixture(autouse=True)
def long_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a turn end for no other reason than a snapshot that is due."""
    monkeypatch.setattr(learning, "TURN_S", 60)


async def test_a_turn_ends_when_a_snapshot_is_due() -> None:
    bench = Bench(every=10)
    courses = bench.courses()
    lesson = Class(bench.parts, courses)
    records = [record(offset, sample(offset)) for offset in range(25)]
    index, ends = 0, []
    while index < len(records):
        index = lesson.learn(records, index)
        await bench.write(courses)
        ends.append(index)
    assert ends == [10, 20, 25]
    assert [(topic, key) for topic, key, _ in bench.written] == [("models", b"again")] * 2
    await bench.write(courses, at_once=True)
    found = [decode(value) for _, _, value in bench.written]
    assert [(one.version, one.samples, one.offset, one.created_at) for one in found] == [
        (1, 10, 9, 7), (2, 20, 19, 7), (3, 25, 24, 7),
    ]  # fmt: skip
    assert (bench.counters.samples_learned, bench.counters.snapshots_written) == (25, 3)
    assert lesson.next_offset == 25


def test_what_cannot_be_learned_is_counted_and_passed_over() -> None:
    bench = Bench()
    lesson = Class(bench.parts, bench.courses())
    values = [
        sample(1), b"{", sample(2, definition="edited"), sample(3, model=MORE), sample(1), sample(4, customer="c"), b"",
    ]  # fmt: skip
    learn(lesson, [record(offset, value) for offset, value in enumerate(values)])
    assert (bench.counters.samples_learned, bench.counters.samples_skipped) == (3, 4)


def test_a_defect_costs_the_sample_only(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(every=1_000)
    lesson = Class(bench.parts, bench.courses())
    inner = Trainer.learn

    def fail(trainer: Trainer, sample: Sample, *, source: Any, offset: int) -> Any:
        if offset % 2:
            message = "a defect"
            raise RuntimeError(message)
        return inner(trainer, sample, source=source, offset=offset)

    monkeypatch.setattr(Trainer, "learn", fail)
    learn(lesson, [record(offset, sample(offset)) for offset in range(100)])
    assert (bench.counters.samples_learned, bench.counters.samples_skipped) == (50, 50)
    assert caplog.text.count("cannot be learned") == 10


def newest(bench: Bench) -> dict[str, Snapshot]:
    return {key.decode(): decode(value) for topic, key, value in bench.written if topic == "models"}


async def test_learning_goes_on_after_a_snapshot_and_counts_no_sample_twice() -> None:
    bench = Bench()
    courses = bench.courses()
    learn(Class(bench.parts, courses), [record(offset, sample(offset)) for offset in range(12)])
    await bench.write(courses, at_once=True)
    again = Bench()
    resumed = again.courses(newest(bench))
    lesson = Class(again.parts, resumed)
    assert lesson.next_offset == 0  # the other model has learned nothing yet
    learn(lesson, [record(offset, sample(offset)) for offset in range(20)])
    assert (again.counters.samples_learned, again.counters.samples_skipped) == (8, 0)
    assert resumed["again"].trainer.samples == 20


async def test_a_model_that_cannot_go_on_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    courses = bench.courses()
    learn(Class(bench.parts, courses), [record(offset, sample(offset)) for offset in range(12)])
    await bench.write(courses, at_once=True)
    held = newest(bench)
    assert set(bench.courses(held, end=12)) == {"again", "more"}
    assert set(bench.courses(held, end=11)) == {"more"}
    assert "ends at 11: the topic was created anew" in caplog.text
    broken = msgspec.structs.replace(held["again"], learner={"state": 7})
    assert set(bench.courses({"again": broken})) == {"more"}
    assert "has no state to go on from" in caplog.text
    assert set(bench.courses(held, first=50)) == {"again", "more"}
    assert "samples from offset 12 to 49 were removed" in caplog.text


async def test_a_snapshot_that_is_too_large_stops_no_other_model(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    courses = bench.courses()
    learn(Class(bench.parts, courses), [record(0, sample(0)), record(1, sample(1, model=MORE))])

    def too_large(_: int) -> bytes:
        message = "its snapshot has 1,000,000 bytes"
        raise StateError(message)

    monkeypatch.setattr(courses["again"], "snapshot", too_large)
    await bench.write(courses, at_once=True)
    assert [key for _, key, _ in bench.written] == [b"more"]
    assert bench.counters.training_failures == 1
    assert "1,000,000 bytes" in caplog.text


async def test_drift_is_written_before_the_snapshot_that_knows_of_it() -> None:
    bench = Bench(every=1_000)
    courses = bench.courses()
    lesson = Class(bench.parts, courses)
    # the score says 0.9 throughout; from the 300th on nothing comes of it
    values = [sample(n, y=float(n < 300), score=0.9, version=1) for n in range(600)]
    records, index = [record(offset, value) for offset, value in enumerate(values)], 0
    while index < len(records):
        index = lesson.learn(records, index)
        await bench.write(courses)
        await asyncio.sleep(0)
    kinds = [topic for topic, _, _ in bench.written]
    assert kinds[0] == "model-events"
    assert "models" in kinds[1:3]
    event = msgspec.json.decode(bench.written[0][2])
    assert (event["model"], event["definition"], event["refit"]) == ("again", AGAIN.definition, None)
    assert 300 <= event["samples"] < 450
    assert bench.counters.drifts == kinds.count("model-events") >= 1
