"""Chunks out of Faust: one Faust message is all that one poll brought of one partition.

Faust hands an agent one message at a time at about 250 µs of CPU each, most of it bookkeeping; the records themselves
cost 3 µs. So its consumer is subclassed where records become messages. Group membership, rebalances, flow control and
offset commits stay Faust's. What changes:

- a message's value is a `Chunk`, its offset the chunk's last; acknowledging it acknowledges all up to there;
- a partition is read only while a tenure holds it, from where that tenure begins (`ChunkConsumer.read`), not from the
  group's offset: Faust's own seeks are left out;
- chunks carry the tenure that was reading when they were fetched, and a number;
- the client runs in the worker's own event loop, not in a thread with one of its own: a thread would have to wait for
  the interpreter's lock after each packet, and every poll for two wakes;
- records are made small where the client takes a fetch apart (`streams.record`);
- what the embedded broker's fetches pass over is read again (`streams.unbroken`);
- an error of the client (an offset out of range above all) goes to the listener, and the worker ends.

This module, `streams.upkeep` and `streams.fence` lean on the insides of Faust (0.15.3), its mode (0.7.1) and aiokafka
(0.14.0), pinned; `tests/unit/test_internals.py` fails when they change.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import IllegalStateError, KafkaError
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service
from mode.threads import WorkerThread
from mode.utils.futures import maybe_async

import streams.bootstrap  # noqa: F401 - for each client
from rules.errors import Fenced
from streams.chunk import Chunk
from streams.consumers import let_go
from streams.record import small_record
from streams.unbroken import Unbroken
from streams.upkeep import is_passing, look_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence

    import aiokafka

    from streams.chunk_app import ChunkApp
    from streams.record import Record

log = logging.getLogger(__name__)

_COMMIT_S = 2.0
_LOOK_S = 1.0
_STOP_S = 5.0


class Place(NamedTuple):
    """The next offset to fetch, and the one after the last record that may be read; control records are passed."""

    position: int
    end: int


class Wanted:
    """The active partitions, as they change while a fetch waits.

    aiokafka takes an empty set for all partitions, those included that no tenure holds, and raises their errors.
    """

    def __init__(self, active: set[TP]) -> None:
        self._active = active

    def __bool__(self) -> bool:
        return True

    def __contains__(self, tp: object) -> bool:
        return tp in self._active


class _Reading:
    """Who is reading a partition."""

    def __init__(self, tenure: int, offset: int, *, unbroken: bool) -> None:
        self.tenure = tenure
        self.numbers = itertools.count()
        self.unbroken = Unbroken(offset) if unbroken else None


class Fetched(OrderedDict[TP, Any]):
    """What the fetcher has fetched, by partition: each result is to make small records when it is taken apart."""

    def __setitem__(self, tp: TP, result: Any) -> None:
        if result.__class__ is FetchResult:  # else an error
            result._partition_records._consumer_record = small_record  # noqa: SLF001
        super().__setitem__(tp, result)


class _NoThread(WorkerThread):
    """In place of the thread that Faust's consumer would have: a task of the loop that starts it."""

    _serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._serving = asyncio.get_running_loop().create_task(self._serve())

    def stop(self) -> None:
        """Do nothing: `ended` waits, as nothing may in a loop's own thread."""

    async def ended(self) -> None:
        """Wait until all of it is over."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _serve(self) -> None:
        try:
            await self.service._serve()  # noqa: SLF001 - what the thread would run
        except Exception:
            if not self.service.crashed:  # else whoever starts or holds it was told
                log.exception("the consumer did not end cleanly")
            self.service.set_shutdown()


class ChunkClient(driver.AIOKafkaConsumerThread):
    """aiokafka's consumer, as Faust's consumer holds it."""

    app: ChunkApp
    _thread: _NoThread | None

    async def stop(self) -> None:
        """Stop the client, and wait until it has."""
        await super().stop()
        if self._thread is not None and self.should_stop:
            await self._thread.ended()

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it: there is no thread in between."""
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """End nothing: the loop's other tasks are the worker's."""

    def __post_init__(self) -> None:
        """Begin with no partition read."""
        super().__post_init__()
        self._reading: dict[TP, _Reading] = {}

    @Service.task
    async def _look_after_consumer(self) -> None:
        """See to it that the consumer's tasks live, and that the group is joined again."""
        while not self.should_stop:
            await asyncio.sleep(_LOOK_S)
            if self._consumer is not None and (error := look_after(self._consumer)) is not None:
                self.app.listener.failed(error)
                return

    def _create_worker_consumer(self, transport: driver.Transport) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        app = self.app
        # Faust has no settings for these; the consumer's own fetcher, made at its start, reads them
        consumer._fetch_max_wait_ms = app.fetch_wait_ms  # noqa: SLF001
        consumer._isolation_level = "read_committed"  # noqa: SLF001 - an app may write events in transactions
        return consumer

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Mapping[TP, list[Chunk]]:
        fetcher = consumer._fetcher  # noqa: SLF001 - made when the consumer started
        if fetcher is not None and fetcher._records.__class__ is not Fetched:  # noqa: SLF001
            fetcher._records = Fetched(fetcher._records)  # noqa: SLF001
        wanted: Any = Wanted(active_partitions)
        try:
            records = await super()._fetch_records(consumer, wanted, timeout, max_records)
        except KafkaError as error:
            if not is_passing(consumer, error):
                raise
            await asyncio.sleep(_LOOK_S)
            return {}
        # no await between the fetch and here: a seek cannot come in between and give them to the next tenure
        return self.chunks(records or {})

    def chunks(self, records: Mapping[TP, list[Record]]) -> dict[TP, list[Chunk]]:
        """Return a poll's records as chunks, without those of partitions that nobody reads."""
        return {
            tp: list(self._chunks(tp, reading, batch))
            for tp, batch in records.items()
            if batch and (reading := self._reading.get(tp)) is not None
        }

    def _chunks(self, tp: TP, reading: _Reading, records: Sequence[Record]) -> Iterator[Chunk]:
        if reading.unbroken is not None:
            records, hole = reading.unbroken.take(records)
            if hole is not None:
                self._ensure_consumer().seek(tp, hole)
        size = self.app.chunk_size
        for start in range(0, len(records), size):
            yield Chunk(tp.partition, reading.tenure, next(reading.numbers), records[start : start + size])

    async def on_thread_stop(self) -> None:
        """Stop the client, and where the broker is away, give up on it.

        With a fetch under way aiokafka's `stop` then raises CancelledError, and without this it would be over before
        anybody is told.
        """
        try:
            async with asyncio.timeout(_STOP_S):
                await super().on_thread_stop()
        except (KafkaError, TimeoutError, asyncio.CancelledError) as error:
            log.info("the consumer did not stop cleanly: %r", error)
        if self._consumer is not None:
            await let_go(self._consumer)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit the group's offsets; where that fails, say so and go on: the store has the offsets that count."""
        consumer = self._ensure_consumer()
        assigned = consumer.assignment()
        try:
            async with asyncio.timeout(_COMMIT_S):  # aiokafka would try for ever
                await consumer.commit({tp: offset for tp, offset in offsets.items() if tp in assigned})
        except (KafkaError, TimeoutError) as error:
            log.info("the group's offsets were not committed (%r); the next time may do", error)
            return False
        return True

    def place(self, tp: TP) -> Place | None:
        """Return where the reading of a partition stands."""
        fetcher = self._ensure_consumer()._fetcher  # noqa: SLF001 - the public ways wait for the broker
        subscription = None if fetcher is None else fetcher._subscriptions.subscription  # noqa: SLF001 - likewise
        if subscription is None or subscription.assignment is None or tp not in subscription.assignment.tps:
            return None
        state = subscription.assignment.state_value(tp)
        if not state.has_valid_position or state.lso is None:
            return None
        return Place(state.position, state.lso)

    def read(self, tp: TP, offset: int, tenure: int) -> None:
        """Read on from the offset, for this tenure."""
        self._ensure_consumer().seek(tp, offset)
        self._reading[tp] = _Reading(tenure, offset, unbroken=self.app.unbroken)

    def wake(self) -> None:
        """Let a fetch that is waiting look again: a partition it passed over may be wanted now."""
        if self._consumer is not None and self._consumer._fetcher is not None:  # noqa: SLF001
            for waiter in list(self._consumer._fetcher._fetch_waiters):  # noqa: SLF001
                if not waiter.done():
                    waiter.set_result(None)


class _NoOffsets(dict[TP, int | None]):
    """Faust's memory of what it read last, left blank: it would drop what is read again after a seek back."""

    def __missing__(self, key: TP) -> None:
        return None

    def __setitem__(self, key: TP, value: int | None) -> None:
        pass


class ChunkConsumer(driver.Consumer):
    """Faust's consumer, over chunks."""

    app: ChunkApp
    _thread: ChunkClient

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin with no partition held."""
        super().__init__(*args, **kwargs)
        self._read_offset = _NoOffsets()
        self._held: set[TP] = set()
        self._done: dict[TP, int] = {}
        self._some_active = asyncio.Event()

    def _new_consumer_thread(self) -> ChunkClient:
        return ChunkClient(self, loop=self.loop, thread_loop=self.loop, Worker=_NoThread, beacon=self.beacon)

    def read(self, partition: int, offset: int, tenure: int) -> None:
        """Begin to read a partition for a tenure; raises `Fenced` where the group has given it to another worker."""
        tp = self._tp(partition)
        try:
            self._thread.read(tp, offset, tenure)
        except IllegalStateError as error:
            message = f"partition {partition} is not assigned to this worker any more"
            raise Fenced(message) from error
        self._held.add(tp)
        self.go_on(partition)

    def release(self, partition: int) -> None:
        """Read no more of a partition."""
        self._held.discard(self._tp(partition))
        self.hold_back(partition)

    def hold_back(self, partition: int) -> None:
        """Read no more of a partition for the moment: its tenure has enough to do."""
        self._get_active_partitions().discard(self._tp(partition))

    def go_on(self, partition: int) -> None:
        """Read on."""
        tp = self._tp(partition)
        if tp in self._held and tp not in self._active_partitions:
            self.resume_partitions({tp})
            self._thread.wake()

    def place(self, partition: int) -> Place | None:
        """Return where the reading of a partition stands, None where that is not known."""
        tp = self._tp(partition)
        return self._thread.place(tp) if tp in self._held else None

    def _tp(self, partition: int) -> TP:
        return TP(self.app.events, partition)

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        """Resume those that a tenure holds; Faust would resume all after a rebalance."""
        super().resume_partitions(ensure_TPset(tps) & self._held)
        if self._active_partitions:
            self._some_active.set()

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP] | None]:  # noqa: ASYNC109 - Faust's
        """As Faust's, which sleeps for a second where no partition is wanted at the moment."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as in Faust: mode's type is too narrow
        active = self._get_active_partitions()
        if not active:
            self._some_active.clear()
            await self.wait(self._some_active, timeout=timeout)  # type: ignore[arg-type]  # likewise
            return {}, active
        try:
            return await self._getmany(active_partitions=active, timeout=timeout), active
        except KafkaError as error:
            self.app.listener.failed(error)
            await self.wait_until_stopped()
            return {}, active

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's
        """Yield what the next poll brings, a message a chunk."""
        records, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        for tp, chunks in (records or {}).items():
            for chunk in chunks:
                # what is left out here belongs to tenures that the rebalance ends
                if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                    return
                yield tp, self._message(tp, chunk)

    def _message(self, tp: TP, chunk: Chunk) -> ConsumerMessage:
        last = chunk.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            chunk,  # type: ignore[arg-type]  # Faust expects bytes; our codec leaves it alone
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def perform_seek(self) -> None:
        """Seek nothing: each tenure seeks for itself."""

    def ack(self, message: Any) -> bool:
        """Acknowledge the chunk and all before it."""
        message.acked = True
        if message.tp in self._held:
            self._done[message.tp] = message.offset + 1
        return True

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return iter(list(self._done))

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.get(tp)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """End the tenures, commit what they did, then let Faust go on."""
        await self.app.listener.revoked({tp.partition for tp in revoked})
        await self.commit()
        self._held -= revoked
        for tp in revoked:
            self._done.pop(tp, None)
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Let Faust do its part, then begin the tenures."""
        await super().on_partitions_assigned(assigned, generation_id)
        self.app.listener.assigned({tp.partition for tp in assigned})

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's own checks mistake chunks for a stall; the worker watches progress itself."""


class ChunkTransport(driver.Transport):
    """The transport with our consumer."""

    Consumer = ChunkConsumer
