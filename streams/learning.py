"""Learning the models of one ruleset, from the newest snapshots on: samples in, snapshots and drift out.

The only part of a worker that imports River. The learning itself runs in a thread, a few hundred samples at a time:
one step of it may be long (clusters that end their warm-up, a refit), and the event loop has heartbeats and other
partitions to see to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

import msgspec
from aiokafka.errors import KafkaError

from rules.errors import ServiceError, StateError
from state.models.snapshot import encode
from state.models.trainer import Trainer
from streams.reader import NO_HURRY_MS, TopicReader
from streams.samples import decode_sample
from streams.snapshots import Newest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.models.definition import AnyModel
    from state.models.drift import DriftEvent
    from state.models.sample import Sample
    from state.models.snapshot import Snapshot
    from streams.parts import Parts
    from streams.reader import Record
    from streams.samples import Source
    from streams.training import Progress

log = logging.getLogger(__name__)

TURN_S = 0.02
"""How long learning may keep the interpreter busy; then others have as long."""
SNAPSHOT_S = 10.0
"""So long after the first sample that no snapshot has, one is written."""
RETRY_S = 60.0
"""After so long a model that could not be restored is tried again: somebody may have mended it."""
_TRACES = 10
"""Failures whose trace is logged, of one model in one run."""


class Course:
    """One model being learned."""

    def __init__(self, model: AnyModel, trainer: Trainer, *, new_from: int) -> None:
        """`new_from` is the first offset that no snapshot has."""
        self.model = model
        self.trainer = trainer
        self.new_from = new_from
        self.names = model.feature_names
        self.drifts: list[DriftEvent] = []
        self.failures = 0
        self._fresh_since_s: float | None = None

    def learn(self, sample: Sample, source: Source, offset: int) -> bool:
        """Learn one sample; return whether it was new."""
        before = self.trainer.samples
        try:
            self.drifts += self.trainer.learn(sample, source=source, offset=offset)
        except Exception:
            self.failures += 1
            if self.failures <= _TRACES:
                log.exception("model %s: the sample at offset %d cannot be learned", self.model.key, offset)
            return False
        if self.trainer.fresh and self._fresh_since_s is None:
            self._fresh_since_s = time.monotonic()
        return self.trainer.samples > before

    @property
    def due(self) -> bool:
        """Whether a snapshot is to be written."""
        if self.trainer.due or self.drifts:
            return True
        return self._fresh_since_s is not None and time.monotonic() - self._fresh_since_s > SNAPSHOT_S

    def snapshot(self, now_ms: int) -> bytes:
        """Return the next snapshot's value; raises `StateError` where it is too large."""
        self._fresh_since_s = None
        return encode(self.trainer.snapshot(now_ms))


class Class:
    """The models of a ruleset that can be learned, and the samples for them."""

    def __init__(self, parts: Parts, courses: Mapping[str, Course]) -> None:
        """Begin where the courses stand."""
        self._counters = parts.counters
        self.courses = courses
        self.next_offset = min((course.trainer.next_offset for course in courses.values()), default=0)

    def learn(self, records: Sequence[Record], begin: int) -> int:
        """Learn from index `begin` on, for one turn or until a snapshot is due; return the next index."""
        ends_s = time.monotonic() + TURN_S
        for index in range(begin, len(records)):
            course = self._take(records[index])
            if time.monotonic() > ends_s or (course is not None and course.due):
                return index + 1
        return len(records)

    def _take(self, record: Record) -> Course | None:
        self.next_offset = record.offset + 1
        try:
            wire = decode_sample(record.value or b"")
            course = self.courses.get(wire.model)
            if course is None or course.model.definition != wire.definition:
                self._skip(record, None)
                return None
            learned = course.learn(wire.sample(course.names), wire.source(), record.offset)
        except ValueError as error:
            self._skip(record, error)
            return None
        if learned:
            self._counters.samples_learned += 1
        elif record.offset >= course.new_from:
            self._skip(record, None)
        return course

    def _skip(self, record: Record, error: ValueError | None) -> None:
        self._counters.samples_skipped += 1
        if error is not None:
            log.warning("%s: offset %d is passed over: %s", record.topic, record.offset, error)


async def learn(parts: Parts, progress: Progress) -> None:
    """Learn the models of the active ruleset, until cancelled or until a failure; `progress` is kept up to date.

    Raises `ServiceError` where a topic cannot be read or written, and `StateError` where a model cannot be learned:
    after a while, since the others can.
    """
    models = parts.definitions.active.engine.ruleset.models
    snapshots = await _newest(parts, models)
    async with _reader(parts, parts.topics.samples) as topic:
        first, end = (await topic.bounds())[0]
        courses = {course.model.key: course for course in _courses(parts, models, snapshots, first, end)}
        left_out = [model.key for model in models if model.key not in courses]
        if courses:
            lesson = Class(parts, courses)
            begin = max(lesson.next_offset, first)
            topic.seek(0, begin)
            progress.next_offset, progress.saved = begin, True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if left_out else None):
                    await _attend(parts, topic, lesson, progress)
    message = f"models that cannot be learned: {', '.join(left_out)}"
    raise StateError(message)


async def _attend(parts: Parts, topic: TopicReader, lesson: Class, progress: Progress) -> None:
    """Learn what comes, without end."""
    while True:
        records, index = await topic.some(), 0
        while index < len(records):
            began = time.monotonic()
            index = await asyncio.to_thread(lesson.learn, records, index)
            progress.saved, progress.next_offset = False, lesson.next_offset
            await _write(parts, lesson.courses)
            await asyncio.sleep(min(time.monotonic() - began, TURN_S))
        await _write(parts, lesson.courses, at_once=progress.hurry)
        progress.saved = not any(course.trainer.fresh for course in lesson.courses.values())


async def _newest(parts: Parts, models: Sequence[AnyModel]) -> Mapping[str, Snapshot]:
    """Return the newest snapshots that the topic has of these models."""
    newest = Newest(models)
    async with _reader(parts, parts.topics.models) as topic:
        async for records in topic.to_end():
            for record in records:
                newest.take(record.key, record.value)
    return newest.held


def _courses(
    parts: Parts, models: Sequence[AnyModel], snapshots: Mapping[str, Snapshot], first: int, end: int
) -> Iterator[Course]:
    """Yield the models that can go on, or begin; `first` and `end` are the bounds of the samples' topic."""
    for model in models:
        snapshot, every = snapshots.get(model.key), parts.settings.snapshot_every
        try:
            if snapshot is None:
                yield Course(model, Trainer(model, snapshot_every=every), new_from=0)
                continue
            if snapshot.offset >= end:
                message = (
                    f"model {model.key}: version {snapshot.version} has learned up to offset {snapshot.offset} of "
                    f"{parts.topics.samples}, which ends at {end}: the topic was created anew. Write an empty value "
                    f"under its key in {parts.topics.models}, and it learns anew"
                )
                raise StateError(message)
            trainer = Trainer.restore(model, snapshot, snapshot_every=every)
        except StateError as error:
            log.error("%s", error)
            continue
        if snapshot.offset + 1 < first:
            log.warning(
                "model %s: samples from offset %d to %d were removed before they were learned",
                model.key, snapshot.offset + 1, first - 1,
            )  # fmt: skip
        yield Course(model, trainer, new_from=snapshot.offset + 1)


async def _write(parts: Parts, courses: Mapping[str, Course], *, at_once: bool = False) -> None:
    """Write the snapshots that are due, or `at_once` all that are news, each after the drift that it knows of."""
    for course in courses.values():
        if not (course.due or (at_once and course.trainer.fresh)):
            continue
        key = course.model.key.encode()
        drifts, course.drifts = course.drifts, []
        for drift in drifts:
            await _send(parts, parts.topics.model_events, key, msgspec.json.encode(drift))
            parts.counters.drifts += 1
        try:
            value = await asyncio.to_thread(course.snapshot, parts.now_ms())
        except StateError as error:
            log.error("%s", error)
            parts.counters.training_failures += 1
            continue
        await _send(parts, parts.topics.models, key, value)
        parts.counters.snapshots_written += 1


async def _send(parts: Parts, topic: str, key: bytes, value: bytes) -> None:
    try:
        async with asyncio.timeout(parts.settings.publish_deadline / 1000):
            await parts.producer.send_and_wait(topic, value, key=key, partition=0)
    except (KafkaError, TimeoutError) as error:
        message = f"{topic}: cannot be written: {error!r}; is the broker up?"
        raise ServiceError(message) from error


def _reader(parts: Parts, topic: str) -> TopicReader:
    patience_s = parts.settings.takeover_deadline / 1000
    return TopicReader(parts.settings, topic, partitions=[0], deadline_s=patience_s, fetch_wait_ms=NO_HURRY_MS)
