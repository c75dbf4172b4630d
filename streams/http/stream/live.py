"""The stream of one server: who listens, what they hear, and when they have to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from streams.changes import source_of
from streams.http.errors import HttpError, later
from streams.http.stream.catch_up import FETCH_BYTES, READERS, VISITORS_READERS, Turns, catch_up, gap_frame
from streams.http.stream.feed import Feed
from streams.http.stream.gaps import compare
from streams.http.stream.hub import RING_BYTES, Hub
from streams.reader import TopicReader
from streams.tasks import end
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from streams.http.keyring import KeyRing
    from streams.http.stream.gaps import Found
    from streams.http.stream.metrics import StreamMetrics
    from streams.http.stream.position import Position
    from streams.http.stream.subscriber import Subscriber
    from streams.http.stream.wanted import Chosen
    from streams.settings import Settings

PULSE_S = 15
"""A client hears something so often."""

STALLED_S = 15.0
"""A client that takes nothing for so long is cut off."""

MOST_OF_A_CUSTOMER = 20
"""Streams by tokens of one customer: a visitor with a token is not to have everybody's places."""

_BEHIND_S = 1.0
_POLL_S = 0.02
_DEADLINE_S = 5.0


class Missed(NamedTuple):
    """What a client has missed and memory does not have; the position moves with its pieces."""

    position: Position
    pieces: AsyncIterator[Chosen]


class Live:
    """Begins to read when the first client comes, and reads on."""

    def __init__(self, settings: Settings, keys: KeyRing, metrics: StreamMetrics) -> None:
        """Read nothing yet."""
        self.hub = Hub(RING_BYTES)
        self.metrics = metrics
        self._settings = settings
        self._topic = Topics.named(settings).changes
        self._source = source_of(settings.app_id)
        self._keys = keys
        self._feed = Feed(settings, self.hub, metrics)
        # visitors, who may come with any id they like, have readers of their own: they keep nobody else waiting
        self._turns, self._visitors_turns = Turns(READERS), Turns(VISITORS_READERS)
        self._subscribers: set[Subscriber] = set()
        self._by_token: Counter[str] = Counter()
        self._count = 0
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Let clients come for as long as the context lasts."""
        try:
            yield
        finally:
            await end(*self._tasks)

    async def begun(self) -> None:
        """Wait until changes are read."""
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._feed.run()), asyncio.create_task(self._watch())]
        await self._feed.ready.wait()

    @contextlib.contextmanager
    def listening(self, subscriber: Subscriber) -> Iterator[None]:
        """Have a place for as long as the context lasts; raises `HttpError`: 503 where there is none, 429."""
        customer = None if subscriber.caller is None else subscriber.caller.customer
        self._check_room()
        if customer is not None and self._by_token[customer] >= MOST_OF_A_CUSTOMER:
            raise later(429, "too_many_of_customer", "too many streams of this customer; close some", 5)
        self._count += 1
        subscriber.number = self._count
        self._subscribers.add(subscriber)
        self.metrics.clients.inc()
        if customer is not None:
            self._by_token[customer] += 1
        try:
            yield
        finally:
            self.hub.leave(subscriber)
            self._subscribers.discard(subscriber)
            self.metrics.clients.dec()
            if subscriber.ending is not None:
                self.metrics.ended.labels(subscriber.ending).inc()
            if customer is not None:
                self._by_token -= Counter((customer,))

    def gate(self) -> None:
        """Raise `HttpError` (503) while there is no place."""
        try:
            self._check_room()
        except HttpError as error:
            self.metrics.refused.labels(error.code).inc()
            raise

    def _check_room(self) -> None:
        if len(self._subscribers) >= self._settings.http_streams:
            raise later(503, "too_many_streams", "too many clients listen; come again", 5)

    async def resume(
        self, reading: contextlib.AsyncExitStack, subscriber: Subscriber, position: Position
    ) -> Missed | None:
        """Let a client go on from a position; return what is to be read for it first, by a reader in `reading`.

        Raises `HttpError` (400) for a position that there is none, 503 where too many catch up, and `ServiceError`.
        """
        await self._wait_for(position)
        if not self._elsewhere(position) and self.hub.join(subscriber, position.copy()):
            self.metrics.resumed.labels("memory").inc()
            return None
        of_visitor = subscriber.caller is not None and subscriber.caller.customer is not None
        turns = self._visitors_turns if of_visitor else self._turns
        await reading.enter_async_context(turns.turn())
        partitions = self._elsewhere(position) or range(len(self._here().offsets))
        reader = TopicReader(
            self._settings, self._topic, partitions=partitions, deadline_s=_DEADLINE_S, fetch_bytes=FETCH_BYTES
        )
        await reading.enter_async_context(reader)
        mark = await self._feed.mark()
        if mark == position.mark and len(position.offsets) > len(self._here().offsets):
            why = "it has more partitions than the topic"
            raise bad_position(why)
        found = compare(position, mark, len(self._here().offsets), await reader.bounds())
        for partition in partitions:
            reader.seek(partition, found.position.offsets[partition])
        self.metrics.resumed.labels("kafka").inc()
        self.metrics.gaps.inc(len(found.gaps))
        return Missed(found.position, self._missed(reader, found, subscriber))

    async def _missed(self, reader: TopicReader, found: Found, subscriber: Subscriber) -> AsyncIterator[Chosen]:
        if found.gaps:
            yield gap_frame(found.gaps, found.position)
        async for piece in catch_up(self.hub, reader, self._source, found.position, subscriber):
            yield piece

    async def _wait_for(self, position: Position) -> None:
        """Wait a moment where another process has read further than this one has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BEHIND_S):
                while self.hub.covers(position) and not self.hub.reaches(position):  # noqa: ASYNC110 - mostly at once
                    await asyncio.sleep(_POLL_S)

    def _elsewhere(self, position: Position) -> Sequence[int]:
        """Return the partitions of which the ring does not have what is behind a position."""
        here = self._here()
        if position.mark != here.mark or len(position.offsets) != len(here.offsets):
            return range(len(here.offsets))
        return [
            partition
            for partition, offset in enumerate(position.offsets)
            if not self.hub.ring.floor[partition] <= offset <= here.offsets[partition]
        ]

    def _here(self) -> Position:
        assert self.hub.position is not None  # noqa: S101 - `begun` has been waited for
        return self.hub.position

    async def _watch(self) -> None:
        """Every second: who takes nothing, whose token has ended, whose key is revoked, who is to hear something."""
        clock, turn = asyncio.get_running_loop().time, 0
        while True:
            await asyncio.sleep(1.0)
            turn += 1
            self.look(clock(), time.time(), turn)

    def look(self, clock_s: float, now_s: float, turn: int) -> None:
        """Do what is due this second: the loop's clock, UTC seconds, and the number of the second."""
        for subscriber in list(self._subscribers):
            caller, since_s = subscriber.caller, subscriber.blocked_since_s
            if self.hub.has_lost(subscriber) or (since_s is not None and clock_s - since_s > STALLED_S):
                subscriber.end("slow")
            elif caller is not None and caller.ends_s is not None and caller.ends_s <= now_s:
                subscriber.end("expired")
            elif caller is not None and not self._keys.knows(caller.key, caller.fingerprint):
                subscriber.end("revoked")
            elif subscriber.number % PULSE_S == turn % PULSE_S:
                self.hub.remind(subscriber)


def bad_position(why: str) -> HttpError:
    """Return the error of a `Last-Event-ID` that names no position."""
    message = f"Last-Event-ID is no id of an event of this stream: {why}; without one, the stream begins now"
    return HttpError(400, "bad_event_id", message, path="Last-Event-ID")
