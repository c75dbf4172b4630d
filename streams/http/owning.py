"""Which of several `segue serve` processes does a partition's work: a consumer group says, and nothing is consumed.

Two may believe for a while that they own a partition (the broker was away, a process was held up). So what the work
writes carries the offset that it stands on, and the store refuses where that is not the stored one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from rules.errors import SegueError, TopicError
from streams.broker_access import client_options
from streams.broker_errors import refused
from streams.tasks import end
from streams.topics import count_partitions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

    from aiokafka import TopicPartition

    from streams.settings import Settings

    Run = Callable[[int], Awaitable[None]]
    Owning = Callable[[Settings, str, str, Run], contextlib.AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)

_POLL_MS = 1_000
_START_S = 30.0
_STOP_S = 2.0
_CANCEL_S = 3.0
_CANCELS = 3
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


@contextlib.asynccontextmanager
async def owning(settings: Settings, group: str, topic: str, run: Run) -> AsyncIterator[None]:
    """Do the work of those partitions that fall to this process, for as long as the context lasts.

    The broker may be away, at the start and later: it is asked again until it answers.

    Parameters
    ----------
    group
        What the work is called; the consumer group is `<app id>-<group>`. No offsets are committed in it.
    topic
        The topic whose partitions are shared out.
    run
        Does one partition's work; without end, as a rule. It runs as a task while the partition is this process's, is
        cancelled when it goes to another, and begins again after a growing pause when it raised.
    """
    member = _Member(settings, f"{settings.app_id}-{group}", topic, run)
    task = asyncio.create_task(member.stay())
    try:
        yield
    finally:
        member.leaving = True
        task.cancel()
        await asyncio.wait([task])


class Attempts:
    """What is tried again and again: each pause is twice as long as the one before, and a failure is logged once.

    An attempt that lasted for longer than the longest pause went well: after it all begins anew.
    """

    def __init__(self, what: str) -> None:
        """Begin with the shortest pause; `what` stands before each failure in the log."""
        self._what = what
        self._pause_s = _FIRST_PAUSE_S
        self._said = ""

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Make an attempt; what it raises, but for a cancellation, goes to the log."""
        begun = time.monotonic()
        try:
            yield
        except Exception as error:
            if time.monotonic() - begun > _LONGEST_PAUSE_S:
                self._pause_s, self._said = _FIRST_PAUSE_S, ""
            text = str(error) or repr(error)
            if text != self._said:
                expected = isinstance(error, SegueError | KafkaError | TimeoutError)
                log.warning("%s: %s", self._what, text, exc_info=None if expected else error)
            self._said = text

    async def pause(self) -> None:
        """Wait until the next attempt."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        await asyncio.sleep(pause_s)


class _Member:
    """One process's place in the group; joined again whenever that failed."""

    def __init__(self, settings: Settings, group: str, topic: str, run: Run) -> None:
        self.leaving = False
        self._settings = settings
        self._group = group
        self._topic = topic
        self._run = run

    async def stay(self) -> None:
        attempts = Attempts(f"{self._group}: joining again")
        while not self.leaving:
            with attempts.noted():
                await self._join()
            await attempts.pause()

    async def _join(self) -> None:
        # asked for a missing topic by name, as the group does, a broker may create it
        if not await count_partitions(self._settings, self._topic):
            message = f"{self._topic}: there is no such topic; `segue topics` creates it"
            raise TopicError(message)
        session_ms = self._settings.session_timeout
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 6,
            rebalance_timeout_ms=session_ms,
        )
        works = _Works(consumer, self._group, self._run)
        try:
            await _start(consumer)
            consumer.subscribe([self._topic], listener=works)
            while not self.leaving:
                # brings no records, for all is paused, but raises what the group failed of
                await consumer.getmany(timeout_ms=_POLL_MS)
        except KafkaError as error:
            raise refused(self._settings, f"{self._topic}: cannot be shared out", error) from error
        finally:
            joined = works.joined
            await works.end()
            await _stop(consumer, _STOP_S if joined else 0)


class _Works(ConsumerRebalanceListener):
    """The work under way: a task for each partition that the group gave this process."""

    def __init__(self, consumer: AIOKafkaConsumer, group: str, run: Run) -> None:
        self._consumer = consumer
        self._group = group
        self._run = run
        self.joined = False
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Begin their work."""
        if self._ended:
            return
        self.joined = True
        self._consumer.pause(*assigned)
        partitions = sorted(place.partition for place in assigned)
        log.info("%s: this process does partitions %s", self._group, partitions)
        self._tasks += [asyncio.create_task(self._keep_running(partition)) for partition in partitions]

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """End all work: a rebalance gives every partition out anew."""
        del revoked
        self.joined = False
        tasks, self._tasks = set(self._tasks), []
        for _ in range(_CANCELS):
            for task in tasks:
                task.cancel()
            if tasks:
                # again where it took no effect: `asyncio.wait_for` may swallow a cancellation (cpython issue 86296)
                _, tasks = await asyncio.wait(tasks, timeout=_CANCEL_S)
        if tasks:
            log.error("%s: %d partitions' work does not end; the store refuses what it writes", self._group, len(tasks))

    async def end(self) -> None:
        """End all work for good."""
        self._ended = True
        await self.on_partitions_revoked(())

    async def _keep_running(self, partition: int) -> None:
        attempts = Attempts(f"{self._group}: partition {partition} begins again")
        while True:
            with attempts.noted():
                await self._run(partition)
                return
            await attempts.pause()


async def _start(consumer: AIOKafkaConsumer) -> None:
    """Start it; cancelled, it may end its first question, for aiokafka would forget the connection of that."""
    starting = asyncio.create_task(consumer.start())
    try:
        async with asyncio.timeout(_START_S):
            await asyncio.shield(starting)
    finally:
        await asyncio.wait([starting], timeout=_STOP_S)
        await end(starting)


async def _stop(consumer: AIOKafkaConsumer, patience_s: float) -> None:
    """Leave the group; a join that waits for others is given up after so long."""
    stopping = asyncio.create_task(consumer.stop())
    if not (await asyncio.wait([stopping], timeout=patience_s))[0]:
        await consumer._client.close()  # noqa: SLF001 - it ends what is under way; `stop` waits for it for ever
        await asyncio.wait([stopping], timeout=_STOP_S)
    if not stopping.done():
        stopping.cancel()
        await asyncio.wait([stopping], timeout=_STOP_S)
    await consumer._client.close()  # noqa: SLF001 - what was connected meanwhile: TLS and a user take their time
    if stopping.done() and not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.debug("a consumer did not stop well: %r", error)
