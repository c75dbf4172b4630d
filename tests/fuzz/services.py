"""Worlds through a whole pipeline: broker, worker, store, views and the rejected topic, held to the oracle."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from streams.changes import make_entry, value_of
from streams.clocks import live_clock
from streams.replay.memory import MemoryLog
from streams.replay.sender import partition_of
from tests.chaos.verdict import differences, heard
from tests.fuzz.inside import new_engine
from tests.fuzz.judge import APPLIED, DUPLICATE, TICK, Judge
from tests.fuzz.worlds import Sent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from streams.worker import Worker
    from tests.integration.pipeline import Pipeline

    Record = ConsumerRecord[bytes | None, bytes | None]
    Log = Mapping[int, Sequence[Record]]

ALL_SAID_S = 30.0
TOO_LARGE_TO_SEND = "refused by the broker"


@dataclass
class Outcome:
    """What became of the records, by reason, and what is wrong, a line each."""

    became: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    events_a_s: float = 0.0


async def through(pipeline: Pipeline, records: Iterable[Sent]) -> Outcome:
    """Send the records, let a worker have them, and hold what came of it to the oracle."""
    outcome = Outcome()
    ends = await _send(pipeline, records, outcome.became)
    async with pipeline.worker() as worker:
        begin = time.monotonic()
        await worker.applied(ends)
        outcome.events_a_s = sum(ends.values()) / (time.monotonic() - begin)
        log, rejected = await _log(pipeline, pipeline.topics.events), await pipeline.rejected()
        alone = _judged(pipeline, log, rejected, outcome)
        await _hold(pipeline, worker, alone, outcome)
    return outcome


async def _send(pipeline: Pipeline, records: Iterable[Sent], became: Counter[str]) -> dict[int, int]:
    """Send them; return partition -> the offset after the last one there."""
    ends: dict[int, int] = {}
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker, linger_ms=5) as producer:
        waiting = []
        for sent in records:
            if sent.key is None and sent.value is None:
                continue  # the client sends no such record
            partition = partition_of(sent.key or b"", pipeline.settings.partitions)
            where: Any = {"key": sent.key, "partition": partition, "headers": list(sent.headers)}
            try:
                waiting.append(await producer.send(pipeline.topics.events, sent.value, **where))
            except MessageSizeTooLargeError:
                became[TOO_LARGE_TO_SEND] += 1
        for metadata in await asyncio.gather(*waiting):
            ends[metadata.partition] = max(ends.get(metadata.partition, 0), metadata.offset + 1)
    return ends


async def _log(pipeline: Pipeline, topic: str) -> Log:
    records = sorted(await pipeline.read(topic), key=lambda record: (record.partition, record.offset))
    return {partition: list(some) for partition, some in groupby(records, lambda record: record.partition)}


def _judged(
    pipeline: Pipeline,
    log: Log,
    rejected: Sequence[tuple[bytes | None, bytes | None, dict[str, bytes]]],
    outcome: Outcome,
) -> MemoryLog:
    """Judge each record of the log and each rejected one; return what the good records alone come to."""
    reasons, faults = _reasons(pipeline, log, rejected), outcome.faults
    judge = Judge(None, lambda _: False)
    settings = pipeline.settings
    alone = _Alone(pipeline)
    for partition, records in log.items():
        for record in records:
            sent = Sent(record.value, record.key, record.timestamp, headers=record.headers)
            told = reasons.pop((partition, record.offset), [])
            verdicts = judge.verdicts(sent, record.timestamp, rejected=bool(told))
            if len(told) > 1:
                faults.append(f"{partition}/{record.offset}: rejected {len(told)} times")
            if not told and verdicts <= {APPLIED, DUPLICATE, TICK}:
                outcome.became.update(verdicts)
                alone.take(partition, record, tick=TICK in verdicts)
            elif not told or told[0] not in verdicts:
                faults.append(f"{partition}/{record.offset}: {told or 'taken'}, and is {sorted(verdicts)}: {sent}")
            else:
                outcome.became[told[0]] += 1
                alone.pass_by(partition, record)
    faults += [f"{place} of {settings.topic_prefix}: rejected, and never sent" for place in reasons]
    return alone


class _Alone(MemoryLog):
    """The good records alone, by the live rules in memory."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__(new_engine(pipeline.rules), live_clock(pipeline.settings))
        self.told: dict[str, list[dict[str, Any]]] = {}
        self._app_id = pipeline.settings.app_id

    def take(self, partition: int, record: Record, *, tick: bool) -> None:
        """Apply a good record."""
        self.tell(self.feed(partition, record.timestamp, record.key, record.value, tick=tick))

    def pass_by(self, partition: int, record: Record) -> None:
        """Take a rejected record's time alone."""
        self.tell(self.feed(partition, record.timestamp, None, b"", tick=True))

    def tell(self, changes: Iterable[Any]) -> None:
        """Keep changes as they go over the wire."""
        for change in changes:
            body = orjson.loads(value_of(make_entry(self._app_id, change, 0), ""))
            del body["emitted_at"]
            self.told.setdefault(change.customer, []).append(body)


def _reasons(
    pipeline: Pipeline, log: Log, rejected: Sequence[tuple[bytes | None, bytes | None, dict[str, bytes]]]
) -> dict[tuple[int, int], list[str]]:
    """Return the reasons on the rejected topic by place, of those that are there as they were sent."""
    found: dict[tuple[int, int], list[str]] = {}
    sent = {(partition, record.offset): record for partition, some in log.items() for record in some}
    for key, value, headers in rejected:
        place = int(headers["partition"]), int(headers["offset"])
        record = sent.get(place)
        same = record is not None and (key, value) == (record.key, record.value)
        right = headers["topic"].decode() == pipeline.topics.events and bool(headers["detail"])
        reason = headers["error"].decode() if same and right else f"not as it was sent: {headers}"
        found.setdefault(place, []).append(reason)
    return found


async def _hold(pipeline: Pipeline, worker: Worker, alone: MemoryLog, outcome: Outcome) -> None:
    """Hold changes, views and counts to what the good records alone come to."""
    assert isinstance(alone, _Alone)
    alone.tell(alone.finish())
    count = sum(map(len, alone.told.values()))
    try:
        async with asyncio.timeout(ALL_SAID_S):
            while sum(worker.counters.changes.values()) < count:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.02)
    except TimeoutError:
        outcome.faults.append(f"{sum(worker.counters.changes.values())} changes after a while, {count} wanted")
    outcome.faults += differences(heard(await _log(pipeline, pipeline.topics.changes)), alone.told)
    counts = worker.counters.applied, worker.counters.duplicates, sum(worker.counters.rejected.values())
    became = outcome.became
    rejected = sum(became.values()) - became[APPLIED] - became[DUPLICATE] - became[TICK] - became[TOO_LARGE_TO_SEND]
    if counts != (became[APPLIED], became[DUPLICATE], rejected):
        outcome.faults.append(f"counted {counts} applied, duplicate and rejected; it was {became}")
    for profiles in alone.profiles.values():
        for customer, profile in profiles.items():
            view, wanted = await pipeline.store.view(customer), _shown(alone.engine.show(profile))
            if view is None or _shown(orjson.loads(view)) != wanted:
                outcome.faults.append(f"customer {customer!r} is shown as {view!r}, and is {wanted}")


def _shown(view: dict[str, Any]) -> dict[str, Any]:
    """Return a view as JSON has it, but for its revision and time: an event that changes nothing in it writes none."""
    shown: dict[str, Any] = orjson.loads(orjson.dumps(view))
    return {name: value for name, value in shown.items() if name not in ("rev", "updated_at")}
