"""A file of events through the real pipeline: topics, a worker, a store, all of the replay's own.

The events are sent in the file's order as fast as they are applied, the worker runs in this process on the stream
clock, and at the horizon what is due fires. What comes out on the change topic is the result.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import TYPE_CHECKING, Any

import msgspec

from rules.errors import EventRejected, ReplayError
from state.redis import RedisStore
from streams.app import build_app
from streams.clocks import NEVER_MS, StreamClock
from streams.embedded import EmbeddedBroker, EmbeddedValkey
from streams.events import decode_event
from streams.producers import plain_producer
from streams.reader import TopicReader
from streams.redis_access import redis_url
from streams.replay.changes_file import ChangesFile
from streams.replay.lines import LinesFile
from streams.replay.measure import measure
from streams.replay.outcome import Outcome
from streams.replay.sender import Sender
from streams.replay.standings import Standings
from streams.replay.versions import open_versions
from streams.settings import Settings
from streams.tasks import end
from streams.timestamps import parse_timestamp
from streams.topics import Topics, create_topics, delete_topics

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from pathlib import Path

    from streams.replay.plan import Plan, Report
    from streams.replay.versions import Versions
    from streams.worker import Worker

MOST_AHEAD = 100_000
"""Events sent and not yet applied, at most: the embedded broker holds them in memory."""

MOST_AHEAD_OF_MODELS = 500
"""With models: events sent and not yet applied, and samples released and not yet learned, at most.

Else the scores of one time would be made by the models of a time long before it.
"""

LOOK_EVERY = 500
LOOK_EVERY_WITH_MODELS = 100
EMBEDDED_CHUNK_SIZE = 500

_CATCH_UP_S = 0.01


async def replay_embedded(plan: Plan, report: Report, settings: Settings, events: Path) -> Outcome:
    """Replay the file through an embedded broker and Valkey; raises `SegueError`."""
    # nothing of a replay is to outlive it, so nothing has to reach a disk
    async with EmbeddedValkey(appendfsync="no") as valkey, EmbeddedBroker() as broker:
        # the embedded broker makes whoever joins a group wait for half the session's timeout; small chunks keep
        # the event loop free enough for heartbeats within the shorter one
        chunk_size = min(settings.chunk_size, EMBEDDED_CHUNK_SIZE)
        here = {"broker": broker.address, "redis": valkey.url, "session_timeout": 2_000, "chunk_size": chunk_size}
        own = settings.model_copy(update={**Settings.without_security, **here})
        return await replay_through(plan, report, own, events)


async def replay_through(plan: Plan, report: Report, settings: Settings, events: Path) -> Outcome:
    """Replay the file through the services that the settings name; raises `SegueError`.

    Topics, keys and consumer group have names that nobody else uses, and are removed at the end, however it ends.
    """
    began = time.perf_counter()
    with ChangesFile(plan.changes, plan.app_id, events) as out:
        with LinesFile(events) as lines:
            report.begin("measuring", lines.size_bytes)
            size = measure(lines)
        async with _own_names(plan, settings) as (own, store, group):
            clock, topics = StreamClock(lag_ms=size.lag_ms), Topics.named(own)
            async with (
                build_app(own, store, plan.ruleset, clock=clock, group=group) as worker,
                plain_producer(own) as producer,
                TopicReader(own, topics.changes) as reader,
                open_versions(plan, report, own) as versions,
            ):
                report.begin("replaying", size.records)
                sender = Sender(producer, topics.events, own.partitions)
                run = _Run(plan, report, worker, sender, reader, out, versions)
                with LinesFile(events) as lines:
                    await _unless_it_fails(worker, run.all(lines))
                return run.outcome(time.perf_counter() - began)


class _Run:
    def __init__(
        self,
        plan: Plan,
        report: Report,
        worker: Worker,
        sender: Sender,
        reader: TopicReader,
        out: ChangesFile,
        versions: Versions | None,
    ) -> None:
        self._plan = plan
        self._report = report
        self._worker = worker
        self._sender = sender
        self._reader = reader
        self._out = out
        self._clock = worker.parts.clock
        self._versions = versions
        self._standings = None if plan.step_ms is None else Standings(plan.step_ms)
        self._shown_ms = NEVER_MS
        self._newest_ms = NEVER_MS
        self._sent = self._after_until = self._read = 0
        worker.on_progress = lambda: report.progress(worker.counters.events + self._after_until)

    async def all(self, lines: Iterable[bytes]) -> None:
        """Send every record, wait until all is applied, and fire what is due up to the horizon."""
        look_every = LOOK_EVERY_WITH_MODELS if self._plan.ruleset.models else LOOK_EVERY
        for number, line in enumerate(lines):
            if number % look_every == 0:
                await self._hold_back()
            key, ts_ms = self._key_and_time(line)
            if key is None:
                self._after_until += 1
                continue
            await self._sender.send(key, line)
            self._sent += 1
            if self._standings is not None and ts_ms > self._newest_ms:
                await self._step(self._standings, ts_ms)
        await self._settle()
        horizon_ms = self.horizon_ms
        if horizon_ms is not None:
            await self._worker.finish(horizon_ms)
            await self._read_changes()
            self._check()
            await self._learned()
            if self._standings is not None:
                self._show(self._standings.finish(horizon_ms))

    @property
    def horizon_ms(self) -> int | None:
        """The instant the replay ends at, once all is applied."""
        counters = self._worker.counters
        if self._plan.until_ms is not None:
            return self._plan.until_ms
        return counters.newest_event_ms if counters.applied else None

    def outcome(self, seconds: float) -> Outcome:
        """Return the numbers of the whole replay."""
        counters = self._worker.counters
        return Outcome(
            events=counters.events + self._after_until,
            applied=counters.applied,
            duplicates=counters.duplicates,
            after_until=self._after_until,
            customers=counters.customers,
            rejected=counters.rejected,
            changes=counters.changes,
            caps=self._worker.parts.definitions.active.engine.caps,
            horizon_ms=self.horizon_ms,
            seconds=seconds,
            samples=counters.samples_learned,
            snapshots=counters.snapshots_written,
            drifts=counters.drifts,
        )

    def _key_and_time(self, line: bytes) -> tuple[bytes | None, int]:
        """Return a record's key, None where it is later than the horizon, and its time.

        What is no event has no id to be its key: it goes out with an empty one, and the worker says why it is none.
        """
        try:
            event = decode_event(line, 0, self._clock)
        except EventRejected:
            return b"", NEVER_MS
        if self._plan.until_ms is not None and event.ts > self._plan.until_ms:
            return None, event.ts
        return event.customer.encode(), event.ts

    async def _step(self, standings: Standings, ts_ms: int) -> None:
        """Where all that may still come is later than the end of a step: fire what was due before it, and say so."""
        self._newest_ms = ts_ms
        end_ms = standings.boundary(self._clock.certain_ms(NEVER_MS, ts_ms))
        if end_ms > self._shown_ms:
            first, self._shown_ms = self._shown_ms == NEVER_MS, end_ms
            if not first:
                await self._settle()
                await self._worker.finish(end_ms - 1)
                await self._read_changes()
                self._show(standings.until(end_ms))

    async def _settle(self) -> None:
        """Wait until all that was sent is applied, and what came of it read."""
        await self._sender.flush()
        await self._worker.applied(self._sender.ends)
        await self._learned()
        await self._read_changes()

    async def _learned(self) -> None:
        """Wait until all that was released is learned, and in a version of its model."""
        if self._versions is not None:
            await self._worker.learned()
            await self._versions.read(self._worker.counters.snapshots_written)

    async def _hold_back(self) -> None:
        """Let the worker come by, and catch up."""
        await asyncio.sleep(0)
        most = MOST_AHEAD_OF_MODELS if self._plan.ruleset.models else MOST_AHEAD
        if self._sent - self._worker.counters.events > most:
            await self._sender.flush()
        while self._sent - self._worker.counters.events > most:  # noqa: ASYNC110 - the worker counts, no more
            await asyncio.sleep(_CATCH_UP_S)
        if self._plan.ruleset.models:
            await self._worker.learned_but(MOST_AHEAD_OF_MODELS)

    async def _read_changes(self) -> None:
        """Read the changes that are published, all of them."""
        missing = sum(self._worker.counters.changes.values()) - self._read
        async for records in self._reader.at_least(missing):
            for record in records:
                self._take(record.value or b"")
            self._read += len(records)

    def _check(self) -> None:
        """At the end, what was computed and what came out are as many."""
        computed = sum(self._worker.counters.changes.values())
        if self._read != computed:
            message = f"{computed} changes were computed, and {self._read} stand on the topic: please report this"
            raise ReplayError(message)

    def _take(self, value: bytes) -> None:
        self._out.write_value(value)
        if self._standings is not None:
            change = _decode_crossing(value)
            self._standings.add(change.name, change.change, parse_timestamp(change.at))
            self._report.changed(change.name, change.change, value)

    def _show(self, moments: Iterable[tuple[int, Counter[str]]]) -> None:
        for at_ms, sizes in moments:
            self._report.standing(at_ms, self._sent + self._after_until, sizes)


class _Crossing(msgspec.Struct):
    """The part of a change that moves a segment's size."""

    change: str
    segment: str
    segmentation: str | None
    at: str

    @property
    def name(self) -> str:
        return self.segment if self.segmentation is None else f"{self.segmentation}.{self.segment}"


_decode_crossing = msgspec.json.Decoder(_Crossing).decode


async def _unless_it_fails(worker: Worker, work: Coroutine[Any, Any, None]) -> None:
    """Do the work; where the worker fails meanwhile, give it up and raise what failed."""
    working, running = asyncio.create_task(work), asyncio.create_task(worker.run())
    try:
        await asyncio.wait((working, running), return_when=asyncio.FIRST_COMPLETED)
        await (working if working.done() else running)
    finally:
        await end(working, running)


@contextlib.asynccontextmanager
async def _own_names(plan: Plan, settings: Settings) -> AsyncIterator[tuple[Settings, RedisStore, str]]:
    """Give the replay topics, keys and a consumer group of its own: settings, store and the group's name."""
    name = f"segue-replay-{secrets.token_hex(6)}"
    # The clock of a replay asks no broker for the time, so whose time the topics keep is all one.
    own = settings.model_copy(
        update={
            "app_id": plan.app_id,
            "max_late": plan.max_late_ms,
            "topic_prefix": f"{name}.",
            "snapshot_every": plan.snapshot_every,
            "allow_create_time": True,
        }
    )
    store = RedisStore(redis_url(own), name, require_durable=False)
    await store.start()
    try:
        await create_topics(own, models=bool(plan.ruleset.models), webhooks=False)
        yield own, store, name
    finally:
        async with contextlib.AsyncExitStack() as cleaning:
            cleaning.push_async_callback(store.close)
            cleaning.push_async_callback(store.drop)
            cleaning.push_async_callback(delete_topics, own)
