"""The present members of an endpoint's segments, before the changes that come after: a scan of one partition.

Its place, the scan's cursor, moves once the deliveries that it led to are in the lane, so that a restart goes on with
it. A cursor holds for one run of the Redis server: after another the scan begins anew. What is sent twice has the id
that it had.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

import orjson

from rules.dates import format_ms
from rules.errors import Fenced, StateError
from state.glance import glance
from state.webhooks.queues import Batch, Delivery
from streams.http.webhooks.matching import body_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from state.glance import Glance, Level
    from state.webhooks.queues import Queues
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.feed import Place, Source

log = logging.getLogger(__name__)

FILL: Final = "fill"
"""The field of a lane's cursor: `request:server run:cursor`, or `request:done`."""

_KEYS_A_STEP = 1_000
_AT_ONCE = 200
_PAUSE_S = 0.1
_ID_CHARS = 32


def is_filled(stored: str | None, request: int) -> bool:
    """Whether nothing is left to be sent of the request of this number; 0 is none."""
    return request == 0 or stored == f"{request}:done"


class Fill:
    """Sends one lane the members that its endpoint asked for."""

    def __init__(self, place: Place, epoch: int, source: Source, queues: Queues, clock: Clock) -> None:
        """Begin nothing yet."""
        self._place = place
        self._epoch = epoch
        self._source = source
        self._queues = queues
        self._clock = clock
        self._stored = ""

    async def run(self, stored: str | None, request: int, lock: asyncio.Lock) -> None:
        """Send all; `stored` is the lane's field. Raises `Fenced`, `ServiceError`.

        `lock` is held while the lane is written to, as whoever removes it does.
        """
        begun = f"{request}:{await self._queues.run_id()}:"
        goes_on = stored is not None and stored.startswith(begun)
        self._stored = stored or ""
        cursor = int(stored.removeprefix(begun)) if goes_on and stored is not None else 0
        while True:
            cursor, customers = await self._source.customers(self._place.lane.partition, cursor, _KEYS_A_STEP)
            deliveries = await self._deliveries(request, customers)
            for at in range(0, len(deliveries), _AT_ONCE):
                await self._enqueue(deliveries[at : at + _AT_ONCE], self._stored, lock)
            await self._enqueue([], f"{begun}{cursor}" if cursor else f"{request}:done", lock)
            if not cursor:
                return

    async def _enqueue(self, deliveries: Sequence[Delivery], after: str, lock: asyncio.Lock) -> None:
        """Put them into the lane as there is room."""
        place, left = self._place, list(deliveries)
        while True:
            room = max(place.most - place.work.waiting, 0)
            part, rest = left[:room], left[room:]
            if part or not left:
                batch = Batch(place.lane, FILL, self._stored, after, part, place.most)
                async with lock:
                    added = (
                        await self._queues.enqueue(place.lane.partition, self._epoch, self._clock.now_ms(), [batch])
                    )[0]
                if added.numbers is None and added.moved:
                    # a lost reply was followed by a second try: what is there is looked for, not sent again
                    stored = (await self._queues.standing([place.lane]))[0].fill or ""
                    if stored != after:
                        message = f"the members of lane {place.lane.name} stand at {stored}, not {self._stored}"
                        raise Fenced(message)
                    place.work.look()
                    added = added._replace(numbers=[])
                elif added.numbers is not None:
                    place.work.add(added.numbers, part, added.waiting)
                if added.numbers is not None:
                    self._stored, left = after, rest
                if not left:
                    return
            await asyncio.sleep(_PAUSE_S)

    async def _deliveries(self, request: int, customers: Sequence[str]) -> list[Delivery]:
        place = self._place
        if not customers or not place.wanted.wants("entered"):
            return []
        rows = await self._source.profiles(place.lane.partition, customers)
        found = []
        for customer, row in zip(customers, rows, strict=True):
            if row is None:
                continue
            try:
                known = glance(customer, row)
            except StateError as error:
                log.error("left out of the members sent to an endpoint: %s", error)
                continue
            levels = [level for level in known.levels if place.wanted.has(level.segment, level.segmentation)]
            found += [self._delivery(request, customer, known, level) for level in levels]
        return found

    def _delivery(self, request: int, customer: str, known: Glance, level: Level) -> Delivery:
        lane, now_ms = self._place.lane, self._clock.now_ms()
        names = [self._source.app_id, lane.endpoint, request, customer, level.segmentation, level.segment]
        identity = hashlib.sha256(orjson.dumps(names)).hexdigest()[:_ID_CHARS]
        data = self._data(identity, customer, known, level) | {"emitted_at": format_ms(now_ms)}
        return Delivery(identity, customer, now_ms, body_of("entered", data["at"], orjson.dumps(data)))

    def _data(self, identity: str, customer: str, known: Glance, level: Level) -> dict[str, Any]:
        """Return what stands for a change: as if the customer had entered when they did."""
        data = {
            "id": identity,
            "customer_id": customer,
            "seq": known.seq,
            "change": "entered",
            "segment": level.segment,
            "segmentation": level.segmentation,
            "other": None,
            "at": format_ms(level.since_ms),
            "cause": {"type": "backfill"},
            "because": [],
            "segments": _names(known),
            "ruleset": known.ruleset,
        }
        return data | self._traits(known.traits)

    def _traits(self, known: Mapping[str, Any]) -> dict[str, Any]:
        wanted = self._place.wanted.traits
        return {"traits": {name: known[name] for name in wanted if name in known}} if wanted else {}


def _names(known: Glance) -> list[str]:
    own = sorted(level.segment for level in known.levels if level.segmentation is None)
    rest = sorted(f"{level.segmentation}.{level.segment}" for level in known.levels if level.segmentation is not None)
    return own + rest
