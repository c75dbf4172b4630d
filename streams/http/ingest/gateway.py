"""What one request of ingest goes through, from its body to the broker's word.

Nothing is answered 200 that the broker has not acknowledged, and nothing that it may have taken is forgotten by a 503.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple

from rules.errors import EventRejected, ServiceError
from streams.http.errors import HttpError, later
from streams.http.ingest.envelope import not_json, open_batch, split_batch, too_many_items
from streams.http.ingest.items import Around, Refused, Taken, check_default, read_item, without_key
from streams.http.ingest.limits import MAX_ITEMS, MAX_MADE_BYTES, RECORD_BYTES, InFlight
from streams.http.ingest.memory import RetryMemory
from streams.http.ingest.outlet import Outlet, Place
from streams.replay.sender import partition_of
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import Raw

    from streams.http.ingest.envelope import Envelope
    from streams.http.ingest.outlet import Receipt
    from streams.http.parts import HttpParts

SOURCE = "http"
"""The header `source` of a rejected record."""

AWAY_S = 2
"""What `Retry-After` says while the broker is away."""

_STRANGERS = 4
"""What part of `http_in_flight` bodies may hold whose senders are not known before they are read: nobody without a key
keeps those out who have one."""

_HEAVY_BYTES = 256 * 1024
_SLICE = 200
_MOST_VALUE_BYTES = 850_000
_LONGEST_DETAIL = 300


class Batch(NamedTuple):
    """A batch read: its good items, its bad ones."""

    taken: list[Taken]
    refused: list[Refused]


class Gateway:
    """Reads requests and sends what they hold."""

    def __init__(self, parts: HttpParts) -> None:
        """Begin with nothing under way."""
        settings = parts.settings
        self.in_flight = InFlight(settings.http_in_flight)
        parts.metrics.in_flight.set_function(lambda: self.in_flight.held)
        self.strangers = InFlight(settings.http_in_flight // _STRANGERS)
        self.outlet = Outlet(parts.broker, self.in_flight)
        self.memory = RetryMemory()
        self._events = {name: parts.metrics.events.labels(name) for name in ("taken", "rejected", "repeated")}
        self._topics = Topics.named(settings)
        self._partitions = settings.partitions
        self._limit_s = settings.http_ack_timeout / 1000
        self._judging, self._splitting = asyncio.Lock(), asyncio.Lock()

    async def one(self, body: bytes, kind: str) -> None:
        """Take an event that came alone; raises `HttpError`."""
        item = read_item(body, "", Around.at(now_ms(), kind))
        if isinstance(item, Refused):
            self._events["rejected"].inc()
            message = f"{item.path}: {item.message}" if item.path else item.message
            raise HttpError(413 if item.code == "too_large" else 400, item.code, message, path=item.path or None)
        await self._deliver([item], [])

    async def many(self, body: bytes) -> Batch:
        """Take a batch's good items and put its bad ones aside; raises `HttpError`."""
        received_ms = now_ms()
        envelope = await self._open(body)
        around = Around.at(
            received_ms,
            sent_at=envelope.sent_at,
            context=_default("context", envelope.context),
            integrations=_default("integrations", envelope.integrations),
        )
        if len(body) > _HEAVY_BYTES:
            async with self._judging:  # one at a time: as records, a body may be many times its size
                batch = await self._judge(envelope.batch, around)
        else:
            batch = await self._judge(envelope.batch, around)
        await self._deliver(batch.taken, batch.refused)
        self._events["rejected"].inc(len(batch.refused))
        return batch

    async def _open(self, body: bytes) -> Envelope:
        envelope = open_batch(body)
        if envelope is None:
            async with self._splitting:  # it is slow, and none but those who need it wait for it
                head, items = await asyncio.to_thread(split_batch, body, MAX_ITEMS)
            envelope = open_batch(head)
            if envelope is None:
                raise not_json()
            envelope.batch = items
        if len(envelope.batch) > MAX_ITEMS:
            raise too_many_items()
        return envelope

    async def _judge(self, items: Sequence[Raw], around: Around) -> Batch:
        batch, made = Batch([], []), 0
        for number, raw in enumerate(items):
            item = read_item(raw, f"batch[{number}]", around)
            if isinstance(item, Taken):
                batch.taken.append(item)
                made += len(item.value) + RECORD_BYTES
            else:
                batch.refused.append(item)
                made += len(item.raw) + RECORD_BYTES
            if made > MAX_MADE_BYTES:
                message = "with the batch's defaults in each, its events are too large; send smaller batches"
                raise HttpError(413, "body_too_large", message)
            if number % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)  # others are served in between
        return batch

    async def _deliver(self, taken: Sequence[Taken], refused: Sequence[Refused]) -> None:
        """Send all and wait until the broker has it; raises `HttpError` (503) where it has not in time."""
        self.in_flight.check(sum(len(item.value) for item in taken) + sum(len(item.raw) for item in refused))
        receipts: list[Receipt] = []
        repeated = 0
        try:
            for item in taken:
                earlier = None if item.message_id is None else self.memory.find(item.customer, item.message_id)
                repeated += earlier is not None
                receipts.append(earlier or self._put(item))
            waits = {*receipts, *map(self._put_aside, refused)}
        except ServiceError:
            raise _away() from None
        if waits:
            done, pending = await asyncio.wait(waits, timeout=self._limit_s)
            if pending or any(receipt.exception() is not None for receipt in done):
                self._remember(taken, receipts)
                raise _away()
        self._events["taken"].inc(len(taken) - repeated)
        self._events["repeated"].inc(repeated)

    def _put(self, item: Taken) -> Receipt:
        key = item.customer.encode()
        return self.outlet.put(Place(self._topics.events, partition_of(key, self._partitions)), key, item.value)

    def _put_aside(self, item: Refused) -> Receipt:
        value = without_key(item.raw)
        headers = [
            ("source", SOURCE.encode()),
            ("path", item.path.encode()),
            ("error", item.code.encode()),
            ("detail", item.message[:_LONGEST_DETAIL].encode("utf-8", "replace")),
        ]
        if len(value) > _MOST_VALUE_BYTES:  # more than a broker takes
            value = b""
            headers.append(("truncated", b"true"))
        return self.outlet.put(Place(self._topics.rejected, 0), None, value, headers)

    def _remember(self, taken: Sequence[Taken], receipts: Sequence[Receipt]) -> None:
        kept: dict[Receipt, list[tuple[str, str]]] = {}
        for item, receipt in zip(taken, receipts, strict=True):
            failed = receipt.done() and receipt.exception() is not None
            if item.message_id is not None and not failed:
                kept.setdefault(receipt, []).append((item.customer, item.message_id))
        for receipt, events in kept.items():
            self.memory.note(events, receipt)


def now_ms() -> int:
    """Return the UTC milliseconds now."""
    return time.time_ns() // 1_000_000


def _default(name: str, value: Raw | None) -> Raw | None:
    try:
        return check_default(value)
    except EventRejected as error:
        status = 413 if error.reason == "too_large" else 400
        raise HttpError(status, error.reason, f"{name}: {error.detail}", path=name) from None


def _away() -> HttpError:
    message = "the broker has not taken all of it; send it again, what it took is not taken twice"
    return later(503, "broker_away", message, AWAY_S)
