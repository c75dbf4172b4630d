"""One worker's ownership of one partition, from take-over until somebody else has it: chunks in, changes out.

All of a tenure happens in one task, step by step: a chunk, a sweep, a chunk. Each step ends with a commit, the
publication of what it made, the views, and the acknowledgement to Faust; one that makes very many changes has several
commits, each published before the next. A step that fails ends the tenure; the next one begins where the store stands.
Nothing is shared between tenures.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from state.store import Commit
from streams.batch import Batch, sizes_of
from streams.changeover import Changeover
from streams.changes import pack_entry
from streams.clocks import NEVER_MS
from streams.decode import open_chunk
from streams.fence import RENEW_AFTER_S
from streams.pace import Pace
from streams.profiles import Profiles
from streams.samples import feature_names, sample_bytes
from streams.sweeper import Sweeper
from streams.takeover import take_over

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from streams.chunk import Chunk
    from streams.definitions import Active
    from streams.opened import Opened
    from streams.parts import Parts
    from streams.takeover import Taken

log = logging.getLogger(__name__)

_numbers = itertools.count(1)


class TenureOver(Exception):
    """What was asked of a tenure cannot be done any more: it has ended. The next one may."""


class Delivery(NamedTuple):
    """A chunk, and what tells Faust that it is done."""

    chunk: Chunk
    acknowledge: Callable[[], None]


class Tenure:
    """A partition in hand. `number` tells it from every other tenure of this process."""

    def __init__(self, parts: Parts, partition: int, active: Active, taken: Taken) -> None:
        """Use `begin`."""
        self.number = next(_numbers)
        self.partition = partition
        self.next_offset = taken.next_offset
        """The offset after the last record taken; the stored one follows it."""
        self.applied = taken.next_offset
        """The offset up to which all is applied, committed and published."""
        self._parts = parts
        self._epoch = taken.epoch
        self._number = taken.number
        self._stored_offset = taken.next_offset
        self._trim = taken.trim
        self._written: list[str] = list(taken.written)
        self._topics = taken.topics
        self._forms = taken.forms
        self._publisher = taken.publisher
        self._active = active
        self._stored_passed = taken.passed
        self._changeover = Changeover(parts, partition, pending=taken.passed < active.number)
        self._names = feature_names(active.engine.ruleset)
        self._profiles = Profiles(parts.store, active.engine, partition, parts.settings.cache_customers)
        self._pace = Pace()
        self._sweeper = Sweeper(parts, partition)
        self._inbox: deque[Delivery] = deque()
        self._wake = asyncio.Event()
        self._expected = 0
        self._closing = self._at_work = self.resting = False
        """`resting` says that no step is under way."""
        self._taken_ms = NEVER_MS
        self._finishing: tuple[int, asyncio.Future[None]] | None = None
        self._forced_due: set[str] = set()

    @classmethod
    async def begin(cls, parts: Parts, partition: int) -> Tenure:
        """Take the partition over; raises `Fenced`, `ServiceError` or `StateError`."""
        await parts.definitions.refresh()
        active = parts.definitions.active
        await parts.snapshots.ready(active.engine)
        tenure = cls(parts, partition, active, await take_over(parts, partition, active))
        parts.definitions.changed.add(tenure._wake.set)
        try:
            await tenure._sweeper.look()
        except BaseException:
            await tenure.end()
            raise
        parts.counters.takeovers += 1
        return tenure

    @property
    def waiting(self) -> int:
        """The number of chunks not begun yet."""
        return len(self._inbox)

    @property
    def idle(self) -> bool:
        """Whether no chunk waits and none is at work."""
        return not self._inbox and not self._at_work

    @property
    def oldest_ms(self) -> int | None:
        """The broker's time of the first record of the oldest chunk here, None where it is idle."""
        if self._at_work:
            return self._taken_ms
        return int(self._inbox[0].chunk.records[0].timestamp) if self._inbox else None

    def offer(self, delivery: Delivery) -> None:
        """Take a chunk that was read in this tenure."""
        if not self._closing:
            self._inbox.append(delivery)
            self._wake.set()

    async def finish(self, horizon_ms: int) -> None:
        """Fire everything due up to and including the horizon, once all chunks offered are applied.

        Raises `TenureOver` where the tenure ends before.
        """
        if self._closing:
            raise TenureOver
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._finishing = (horizon_ms, done)
        self._wake.set()
        await done

    def close(self) -> None:
        """Ask it to end after the step under way; `run` then returns."""
        self._closing = True
        self._inbox.clear()
        self._wake.set()

    async def run(self) -> None:
        """Work until closed or until another ruleset is active.

        Raises what ended it: `Fenced`, `ServiceError`, or what no new tenure would mend.
        """
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + RENEW_AFTER_S
        while not self._closing and loop.time() < renew_at and self._parts.definitions.active is self._active:
            if self._inbox:
                self._at_work, self._taken_ms = True, self._inbox[0].chunk.records[0].timestamp
                await self._take(self._inbox.popleft())
                self._at_work = False
            if self._closing:
                break
            await self._sweep()
            await self._change_over()
            if not self._inbox:
                await self._finish()
                await self._wait()
        # what is already public is trimmed at once: the next owner then has nothing to look for
        await self._commit(self._batch())

    async def end(self) -> None:
        """Give up what the tenure holds, once `run` is over; nothing of it is written afterwards."""
        self.close()
        self._parts.definitions.changed.discard(self._wake.set)
        if self._finishing is not None and not self._finishing[1].done():
            self._finishing[1].set_exception(TenureOver())
        await self._sweeper.close()
        await self._publisher.close()

    async def _wait(self) -> None:
        """Wait for a chunk, for the next moment at which a timer may be due, or to be closed."""
        if self._closing or self._inbox:
            return
        self._wake.clear()
        self.resting = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(self._sweeper.patience_s(), self._changeover.patience_s())):
                await self._wake.wait()
        self.resting = False

    async def _take(self, delivery: Delivery) -> None:
        """Apply a chunk, from records to acknowledgement; only a part of it where the tenure closes meanwhile."""
        chunk, parts = delivery.chunk, self._parts
        if chunk.number != self._expected or chunk.records[0].offset < self.next_offset:
            message = (
                f"partition {self.partition}: chunk {chunk.number} (offset {chunk.records[0].offset}) came where "
                f"{self._expected} (offset {self.next_offset}) was expected: it is read again from the stored offset"
            )
            raise TenureOver(message)
        self._expected += 1
        now_ms = parts.now_ms() if parts.settings.allow_create_time else None
        opened = open_chunk(chunk, parts.clock, now_ms)
        self._sweeper.read(opened.newest_broker_ms)
        done = await self._take_part(chunk, opened, 0)
        while done < len(chunk.records):
            if self._closing:
                return  # the next owner reads on from here
            done = await self._take_part(chunk, opened, done)
        parts.counters.ticks += opened.ticks
        delivery.acknowledge()

    async def _take_part(self, chunk: Chunk, opened: Opened, first: int) -> int:
        """Apply as many records, from index `first` on, as one commit carries; return the index of the next one."""
        batch, records = self._batch(), chunk.records
        done = await batch.apply(opened, first, self._pace)
        self.next_offset = records[done].offset if done < len(records) else chunk.next_offset
        if batch.rejections:
            await self._parts.rejected.send(batch.rejections)
        self._sweeper.newest_event_ms = max(self._sweeper.newest_event_ms, batch.newest_event_ms)
        if opened.ticks < len(records):
            await self._commit(batch)
        self._parts.counters.events += done - first - batch.ticks
        self.applied = self.next_offset
        return done

    async def _sweep(self) -> None:
        """Fire what is due and certain, in turns with chunks that wait."""
        before_ms = self._sweeper.turn()
        while before_ms is not None and not self._closing and await self._fire(before_ms):
            if self._inbox:
                self._sweeper.again()
                return

    async def _finish(self) -> None:
        """Fire what the end of a replay asks for."""
        if self._finishing is None or self._finishing[1].done():
            return
        horizon_ms, done = self._finishing
        while await self._fire(horizon_ms + 1):
            pass
        await self._commit(self._batch())
        done.set_result(None)

    async def _fire(self, before_ms: int) -> bool:
        """Fire some of what is due strictly before the instant; return whether there may be more."""
        limit = self._parts.settings.sweep_customers
        due = await self._parts.store.due(self.partition, before_ms, limit)
        through = True
        if due:
            batch = self._batch()
            through = await batch.advance([customer for customer, _ in due], before_ms)
            await self._commit(batch, swept=True)
        if through and len(due) < limit:
            await self._sweeper.look()
            return False
        return True

    async def _change_over(self) -> None:
        """Bring some customers under the ruleset, at an instant that is certain."""
        if self._closing or not self._changeover.turn():
            return
        at_ms = self._sweeper.certain_ms
        if at_ms is None:
            self._sweeper.moved([NEVER_MS + 1])  # asks for a tick, which tells the broker's time
            return
        batch, customers = self._batch(), await self._changeover.customers()
        self._changeover.leave(customers[await batch.adopt(customers, at_ms) :])
        await self._commit(batch, swept=True)

    def _batch(self) -> Batch:
        return Batch(self._active.engine, self._profiles, self._parts.poison)

    async def _commit(self, batch: Batch, *, swept: bool = False) -> None:
        """Make the batch durable, then public; does nothing where there is nothing to commit."""
        parts, number = self._parts, self._number + 1
        passed = self._stored_passed if self._changeover.pending else self._active.number
        idle = not (batch.saved or batch.dropped or self._trim or self._written or passed != self._stored_passed)
        if idle and self.next_offset == self._stored_offset:
            return
        entries, samples = batch.entries(parts.settings.app_id, number), self._samples(batch, number)
        due, views = batch.due(self._forced_due, all_of_them=swept), list(batch.views)
        crossings = batch.crossings()
        commit = Commit(
            partition=self.partition,
            epoch=self._epoch,
            number=number,
            token=secrets.token_hex(8),
            ruleset=self._active.number,
            from_offset=self._stored_offset,
            next_offset=self.next_offset,
            profiles=batch.saved,
            due=due,
            sizes=sizes_of(crossings),
            outbox=[pack_entry(entry) for entry in entries] + samples,
            views=views,
            published=self._trim,
            viewed=self._written,
            marker=self._publisher.marker,
            topics=self._topics,
            passed=passed,
            forms=self._forms,
        )
        with parts.counters.commit_s.measured():
            await parts.store.commit(commit)
        parts.signs.give(self.partition)
        self._number, self._stored_passed = number, passed
        self._stored_offset, self._trim, self._written, self._topics = self.next_offset, 0, [], None
        self._forms = {}
        self._count(batch, crossings)
        self._sweeper.moved(due.values())
        self._forced_due = (self._forced_due - batch.saved.keys()) | batch.dropped.keys()
        self._profiles.settle(batch.saved)
        if entries or samples or views:  # three tasks, else for nothing
            await asyncio.gather(self._publisher.publish(entries), parts.samples.send(samples), self._show(batch.views))
        parts.counters.samples_released += len(samples)
        self._trim, self._written = len(entries) + len(samples), views

    def _samples(self, batch: Batch, number: int) -> list[bytes]:
        """Return the samples that the batch released, as they stand in the outbox and go out."""
        released = enumerate(batch.released)
        return [
            sample_bytes(sample, self._names[sample.model], (self.partition, number, index))
            for index, sample in released
        ]

    async def _show(self, views: Mapping[str, tuple[int, bytes]]) -> None:
        if views:
            await self._parts.store.write_views(views)

    def _count(self, batch: Batch, crossings: Counter[tuple[str, str]]) -> None:
        counters = self._parts.counters
        counters.commits += 1
        self._profiles.count(counters)
        counters.applied += batch.applied
        counters.duplicates += batch.duplicates
        counters.poison_timers += len(batch.dropped)
        counters.customers += self._profiles.unsaved(batch.saved)
        counters.newest_event_ms = max(counters.newest_event_ms, batch.newest_event_ms)
        counters.rejected.update(rejection.reason for rejection in batch.rejections)
        counters.changes.update(crossings)
