"""One worker: it holds the partitions that its consumer group gives it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from rules.errors import ServiceError, TopicError
from streams.broker_errors import refused
from streams.hold import Hold
from streams.inquiry import broker_away
from streams.joining import watch_joining
from streams.tasks import end
from streams.tenure import Delivery, Tenure, TenureOver
from streams.training import Training
from streams.watch import out_of_range
from streams.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.chunk import Chunk
    from streams.chunk_app import ChunkApp
    from streams.counters import Counters
    from streams.parts import Parts
    from streams.transport import Place

log = logging.getLogger(__name__)

TRAINED_AT = 0
"""Whoever holds this partition of the events trains the models: one worker of the app, by Faust's assignment."""

_MOST_FAILURES = 3
_WATCH_S = 1.0
_LEAST_START_S = 60.0
"""A group takes its time, whatever is expected of a partition."""

_POLL_S = 0.01


class Worker:
    """Reads, applies, commits and publishes, until stopped; made by `streams.app.build_app`.

    `on_progress` is called after each chunk, in the worker's loop (progress bars; it must be quick).
    """

    def __init__(self, parts: Parts, app: ChunkApp) -> None:
        """Wire the Faust app to this worker."""
        self.parts = parts
        self.on_progress: Callable[[], None] | None = None
        self._app = app
        self._holds: dict[int, tuple[Hold, asyncio.Task[None]]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self.watchdog = Watchdog(parts, lambda: self.holds, self._place, self.failed)
        self.joined = False
        """Whether the consumer group has told this worker its share, were it none, and nothing of it was revoked."""
        self._training = Training(parts)
        self._stopping = False
        app.listener = self

    @property
    def counters(self) -> Counters:
        """What it has done so far."""
        return self.parts.counters

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions it works on at this moment."""
        return frozenset(partition for partition, (hold, _) in self._holds.items() if hold.tenure is not None)

    @property
    def holds(self) -> Mapping[int, Hold]:
        """The partitions that the group gave it, whether it works on them yet or not."""
        return {partition: hold for partition, (hold, _) in self._holds.items()}

    @property
    def failure(self) -> BaseException | None:
        """What it ends with, None while it works."""
        return self._failure.exception() if self._failure.done() and not self._failure.cancelled() else None

    @property
    def unlearned(self) -> int:
        """How many of the samples that this worker released are not learned yet, where it is the one that learns."""
        return max(0, self.parts.samples.end - self._training.progress.next_offset)

    async def start(self) -> None:
        """Begin to join the consumer group."""
        settings = self.parts.settings
        stall_s = max(settings.stall_deadline / 1000, _LEAST_START_S)
        try:
            async with asyncio.timeout(stall_s):
                await self._start_app()
        except (KafkaError, TimeoutError) as error:
            message = f"{settings.broker}: the broker went away while the worker began: {error!r}; is it up?"
            raise ServiceError(message) from error
        joining = watch_joining(lambda: self.joined, self._broker_away, group=settings.app_id, stall_s=stall_s)
        for work in (self._watch_faust(), self.watchdog.run(), self.parts.definitions.watch(), joining):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def _start_app(self) -> None:
        """Start Faust; raise what fails meanwhile, since it waits for the group's first word, which may never come."""
        starting = asyncio.create_task(self._app.start())
        try:
            await asyncio.wait((starting, self._failure), return_when=asyncio.FIRST_COMPLETED)
            await (starting if starting.done() else self._failure)
        finally:
            await end(starting)

    async def run(self) -> None:
        """Work until cancelled or until it fails; raises what stopped it."""
        await asyncio.shield(self._failure)

    async def stop(self) -> None:
        """Finish the steps under way, commit offsets, and leave the group."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await self.revoked({TRAINED_AT, *self._holds})
        await self._app.stop()
        await self.parts.snapshots.close()
        if self._failure.done():
            self._failure.exception()  # `run` raised it, or nobody asked
        else:
            self._failure.cancel()

    async def applied(self, offsets: Mapping[int, int]) -> None:
        """Wait until all before these offsets (partition -> offset) is applied and published; raises as `run`."""
        while any(self._progress(partition) < offset for partition, offset in offsets.items()):
            await self._pause()

    async def learned(self) -> None:
        """Wait until every sample released here is learned, and is in a snapshot; raises as `run`, and `ServiceError`.

        For replays: this worker is the one that learns.
        """
        progress = self._training.progress
        progress.hurry = True
        try:
            await self._while(lambda: self.unlearned > 0 or not progress.saved)
        finally:
            progress.hurry = False

    async def learned_but(self, most: int) -> None:
        """Wait until no more than so many of the samples released here are not learned yet; raises as `learned`."""
        await self._while(lambda: self.unlearned > most)

    async def _while(self, learning: Callable[[], bool]) -> None:
        failures = self.counters.training_failures
        while learning():
            if self.counters.training_failures > failures + _MOST_FAILURES:
                message = "the models cannot be learned: the log says why"
                raise ServiceError(message)
            await self._pause()

    async def finish(self, horizon_ms: int) -> None:
        """End a replay: fire everything due up to and including the horizon, on all partitions; raises as `run`."""
        await asyncio.gather(
            *[self._finish(partition, horizon_ms) for partition in range(self.parts.settings.partitions)]
        )

    async def _finish(self, partition: int, horizon_ms: int) -> None:
        while True:
            tenure = self._tenure(partition)
            if tenure is not None:
                with contextlib.suppress(TenureOver):  # the next one will do
                    return await tenure.finish(horizon_ms)
            await self._pause()

    async def _pause(self) -> None:
        """Wait a moment; raise where the worker has failed."""
        if self._failure.done():
            await self._failure
        await asyncio.sleep(_POLL_S)

    def _progress(self, partition: int) -> int:
        tenure = self._tenure(partition)
        return 0 if tenure is None else tenure.applied

    def _tenure(self, partition: int) -> Tenure | None:
        return self._holds[partition][0].tenure if partition in self._holds else None

    # what Faust says

    def assigned(self, partitions: set[int]) -> None:
        """Begin to hold each of these."""
        self.joined = True
        self.counters.rebalances += 1
        if max(partitions, default=0) >= self.parts.settings.partitions:
            topic, wanted = self.parts.topics.events, self.parts.settings.partitions
            message = (
                f"{topic}: it has more than {wanted} partitions now, and customers' records are spread over old and "
                "new ones. An app keeps the number it began with; for another number begin a new app"
            )
            self.failed(TopicError(message))
            return
        if self._holds.keys() & partitions:
            # each rebalance begins with revoking everything; were it otherwise, two tenures would share a partition
            self.failed(ServiceError(f"partitions {sorted(self._holds.keys() & partitions)} were assigned twice"))
            return
        for partition in partitions if not self._stopping else ():
            hold = Hold(self.parts, self._app.chunks, partition)
            task = asyncio.create_task(hold.keep(), name=f"hold partition {partition}")
            task.add_done_callback(self._ended)
            self._holds[partition] = hold, task
        if TRAINED_AT in self._holds:
            self._training.start()

    async def revoked(self, partitions: set[int]) -> None:
        """Let go of these: each may finish its step under way, for so long as the setting allows."""
        self.joined = False
        let_go = [self._holds.pop(partition) for partition in partitions if partition in self._holds]
        tasks = [task for _, task in let_go]
        for hold, _ in let_go:
            hold.close()
        if TRAINED_AT in partitions:
            await self._training.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=self.parts.settings.revoke_deadline / 1000)
            await end(*tasks)

    def failed(self, error: BaseException) -> None:
        """Stop for good: no new tenure would mend this."""
        if isinstance(error, OffsetOutOfRangeError):
            wanted = {tp.partition: offset for found in error.args for tp, offset in found.items()}
            error = out_of_range(self.parts.topics.events, wanted)
        elif isinstance(error, KafkaError):
            what = f"{self.parts.topics.events}: cannot be read by group {self._app.conf.id}"
            error = refused(self.parts.settings, what, error)
        if not self._failure.done():
            self._failure.set_exception(error)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error)

    def receive(self, chunk: Chunk, acknowledge: Callable[[], object]) -> None:
        """Hand a chunk to the tenure that was reading; one of an earlier tenure is dropped."""
        tenure = self._tenure(chunk.partition)
        if tenure is None or tenure.number != chunk.tenure:
            return
        tenure.offer(Delivery(chunk, lambda: self._done(acknowledge, tenure)))
        if tenure.waiting >= self.parts.settings.chunks_ahead:
            self._app.chunks.hold_back(chunk.partition)

    def _done(self, acknowledge: Callable[[], object], tenure: Tenure) -> None:
        acknowledge()
        if tenure.waiting < self.parts.settings.chunks_ahead:
            self._app.chunks.go_on(tenure.partition)
        if self.on_progress is not None:
            self.on_progress()

    def _place(self, partition: int) -> Place | None:
        return self._app.chunks.place(partition)

    async def _broker_away(self) -> str:
        return await broker_away(self.parts)

    async def _watch_faust(self) -> None:
        """Fail when Faust has stopped."""
        while not self._app.should_stop:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(_WATCH_S)
        if not self._stopping:
            self.failed(ServiceError(f"Faust has stopped: {self._app.crash_reason!r}; start the worker again"))
