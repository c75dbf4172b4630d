"""From the change topic into the lanes of one partition.

Lanes that stand at the same place share a reading; one that is behind has a reading of its own until that reaches
another's. A lane in which too much waits leaves its reading and comes back when half of it is gone: until then the
topic is its backlog, and the others go on.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rules.errors import ServiceError, StateError
from state.glance import glance
from state.webhooks.queues import Batch, Delivery
from streams.changes import source_of
from streams.http.webhooks.matching import found
from streams.reader import OutOfRange, TopicReader
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from state.store import Store
    from state.webhooks.queues import Added, Lane, Queues
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.lane import LaneWork
    from streams.http.webhooks.matching import Found, Wanted
    from streams.http.webhooks.measures import WebhookMeasures
    from streams.reader import Bounds, Record
    from streams.settings import Settings

    Spawn = Callable[[Coroutine[Any, Any, None]], object]
    LoadProfiles = Callable[[int, Sequence[str]], Awaitable[Sequence[bytes | None]]]

log = logging.getLogger(__name__)

OFFSET: Final = "offset"
"""The field of a lane's place."""

_SLICE = 200
_READINGS = 8
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0


class Place:
    """Where a lane stands: the next offset it is to read, the one that Redis has, and how many may wait in it."""

    def __init__(self, lane: Lane, work: LaneWork, wanted: Wanted, offset: int, most: int) -> None:
        """`most` is the lane's share of what may wait for its endpoint."""
        self.lane = lane
        self.work = work
        self.wanted = wanted
        self.offset = self.stored = offset
        self.most = most
        self.filled = True
        """Whether the present members that were asked for are in the lane: they come before changes."""
        self.reading: Reading | None = None
        """What reads for it now; None where nothing does."""


class Reading:
    """One consumer and the lanes it reads for: who enters gets all from `position` on. Who reads has `begun`."""

    def __init__(self, position: int) -> None:
        """Begin at an offset."""
        self.position = position
        self.begun = False
        self.places: set[Place] = set()


class Reader(Protocol):
    """What reads one partition: see `streams.reader.TopicReader`."""

    async def bounds(self) -> Mapping[int, Bounds]:
        """Return what the partition's log holds."""

    def seek(self, partition: int, offset: int) -> None:
        """Read on from an offset."""

    async def some(self) -> Sequence[Record]:
        """Return the next records, after a short wait none; raises `OutOfRange`."""


class Source(NamedTuple):
    """Where deliveries come from.

    The app, how many partitions the topic has, and a reader of one; profiles, for traits; and a partition's customers:
    from a cursor on, so many keys at a time, and the next cursor, 0 after the last.
    """

    app_id: str
    partitions: int
    reader: Callable[[int], AbstractAsyncContextManager[Reader]]
    profiles: LoadProfiles
    customers: Callable[[int, int, int], Awaitable[tuple[int, list[str]]]]


def source_of_topic(settings: Settings, store: Store) -> Source:
    """Return the change topic itself, beside a store that is only read."""
    topic = Topics.named(settings).changes

    def reader(partition: int) -> TopicReader:
        return TopicReader(settings, topic, partitions=[partition], fetch_wait_ms=settings.fetch_wait)

    return Source(settings.app_id, settings.partitions, reader, store.load, store.customers)


class Feed:
    """All readings of one partition."""

    def __init__(
        self, partition: int, epoch: int, source: Source, queues: Queues, clock: Clock, measures: WebhookMeasures
    ) -> None:
        """Read nothing yet."""
        self.lock = asyncio.Lock()
        """Held while lanes are written to: who removes one holds it too."""
        self._partition = partition
        self._epoch = epoch
        self._source = source
        self._app = source_of(source.app_id)
        self._queues = queues
        self._clock = clock
        self._measures = measures
        self._places: dict[Lane, Place] = {}
        self._readings: set[Reading] = set()
        self._room = asyncio.Semaphore(_READINGS)
        self._spawn: Spawn | None = None

    def start(self, spawn: Spawn) -> None:
        """Read from now on; `spawn` runs a reading beside."""
        self._spawn = spawn

    def join(self, place: Place) -> None:
        """Read for a lane, or read on; nothing where it is read for, or too much waits in it."""
        self._places[place.lane] = place
        if self._spawn is None or place.reading is not None or not place.filled or not self._has_room(place):
            return
        for reading in self._readings:
            if reading.position == place.offset:
                _enter(place, reading)
                return
        reading = Reading(place.offset)
        _enter(place, reading)
        self._readings.add(reading)
        self._spawn(self._read(reading))

    def eased(self, lane: Lane) -> None:
        """Read on for a lane that had stopped, where little enough waits in it by now."""
        place = self._places.get(lane)
        if place is not None and place.reading is None and place.work.post.open:
            self.join(place)

    def leave(self, lane: Lane, *, forget: bool = False) -> None:
        """Read no more for a lane."""
        place = self._places.get(lane)
        if place is not None:
            _leave(place)
            if forget:
                del self._places[lane]

    def behind(self, lane: Lane) -> int:
        """Return how many offsets the foremost reading of the partition is ahead of a lane."""
        place = self._places.get(lane)
        if place is None:  # disabled when this process began
            return 0
        return max(other.offset for other in self._places.values()) - place.offset

    def _has_room(self, place: Place) -> bool:
        return place.work.waiting <= place.most // 2

    async def _read(self, reading: Reading) -> None:
        said, pause_s = "", _FIRST_PAUSE_S
        while reading in self._readings:
            try:
                async with self._room, self._source.reader(self._partition) as reader:
                    await self._read_with(reader, reading)
            except ServiceError as error:  # deliveries go on while the broker is away
                reading.begun = False
                # what could not be enqueued is read again
                reading.position = min((place.offset for place in reading.places), default=reading.position)
                if str(error) != said:
                    log.warning("%s; trying again", error)
                said = str(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _read_with(self, reader: Reader, reading: Reading) -> None:
        await self._seek(reader, reading)
        while reading.places:
            try:
                records = await reader.some()
            except OutOfRange:
                await self._seek(reader, reading)
                continue
            if records:
                await self._take(reading, records)
        self._readings.discard(reading)  # before anything is awaited: a lane may want to enter it

    async def _seek(self, reader: Reader, reading: Reading) -> None:
        """Stand where the reading is to begin, or at the nearest offset that the log has."""
        first, end = (await reader.bounds())[self._partition]
        wanted = reading.position
        position = min(max(wanted, first), end)
        if wanted < first:
            self._measures.past.inc(first - wanted)
            log.error("partition %d: %d changes are past retention for webhooks", self._partition, first - wanted)
        elif wanted > end:
            text = "partition %d: the changes end at %d, before webhooks' %d: was the topic made anew?"
            log.error(text, self._partition, end, wanted)
        for place in reading.places:
            place.offset = max(place.offset, position) if wanted <= end else position
        reading.position = position
        reading.begun = True
        reader.seek(self._partition, position)

    async def _take(self, reading: Reading, records: Sequence[Record]) -> None:
        for at in range(0, len(records), _SLICE):
            part = records[at : at + _SLICE]
            before, after = reading.position, part[-1].offset + 1
            async with self.lock:
                chosen = self._choose(reading, part)
                reading.position = after  # before anything is awaited: who enters meanwhile is not chosen for
                await self._enqueue(chosen, after)
                for other in self._readings:
                    if other is not reading and other.begun and before <= other.position <= after:
                        _merge(reading, other)
                        return

    def _choose(self, reading: Reading, records: Sequence[Record]) -> dict[Place, list[Found]]:
        changes = [change for record in records if (change := found(record, self._app)) is not None]
        return {
            place: [change for change in changes if change.offset >= place.offset and place.wanted.takes(change)]
            for place in reading.places
        }

    async def _enqueue(self, chosen: Mapping[Place, Sequence[Found]], end: int) -> None:
        traits = await self._traits(chosen)
        now_ms = self._clock.now_ms()
        batches: dict[Place, Batch] = {}
        for place, taken in chosen.items():
            room = max(place.most - place.work.waiting, 0)
            after = end if len(taken) <= room else taken[room].offset
            deliveries = [_delivery(place.wanted, change, traits, now_ms) for change in taken[:room]]
            if after > place.offset:
                fields = OFFSET, str(place.stored), str(after)
                batches[place] = Batch(place.lane, *fields, deliveries, place.most)
            if after < end:
                _leave(place)
        added = await self._queues.enqueue(self._partition, self._epoch, now_ms, list(batches.values()))
        for (place, batch), result in zip(batches.items(), added, strict=True):
            await self._added(place, batch, result)

    async def _added(self, place: Place, batch: Batch, added: Added) -> None:
        if added.numbers is not None:
            place.offset = place.stored = int(batch.after)
            place.work.add(added.numbers, batch.deliveries, added.waiting)
            return
        _leave(place)
        if added.moved:  # a lost reply was followed by a second try
            stored = (await self._queues.standing([place.lane]))[0]
            place.offset = place.stored = place.stored if stored.offset is None else stored.offset
            place.work.waiting = stored.waiting
            place.work.look()
        else:  # somebody sent dead ones again meanwhile
            place.work.waiting = added.waiting
        self.join(place)

    async def _traits(self, chosen: Mapping[Place, Sequence[Found]]) -> dict[str, Mapping[str, Any]]:
        """Return the traits, as they are now, of the customers whose endpoints want some."""
        wanted = {change.customer for place, taken in chosen.items() if place.wanted.traits for change in taken}
        customers = sorted(wanted)
        if not customers:
            return {}
        rows = await self._source.profiles(self._partition, customers)
        known = zip(customers, rows, strict=True)
        return {customer: _traits_of(customer, row) for customer, row in known}


def _delivery(wanted: Wanted, change: Found, traits: Mapping[str, Mapping[str, Any]], now_ms: int) -> Delivery:
    if not wanted.traits:
        return Delivery(change.id, change.customer, now_ms, change.body())
    known = traits[change.customer]
    chosen = {name: known[name] for name in wanted.traits if name in known}
    return Delivery(change.id, change.customer, now_ms, change.body(chosen))


def _traits_of(customer: str, profile: bytes | None) -> Mapping[str, Any]:
    try:
        return {} if profile is None else glance(customer, profile).traits
    except StateError as error:  # the worker stops at it; a change that is out is delivered
        log.error("webhooks without traits: %s", error)
        return {}


def _enter(place: Place, reading: Reading) -> None:
    place.reading = reading
    reading.places.add(place)


def _leave(place: Place) -> None:
    if place.reading is not None:
        place.reading.places.discard(place)
        place.reading = None


def _merge(reading: Reading, other: Reading) -> None:
    for place in list(reading.places):
        _leave(place)
        _enter(place, other)
