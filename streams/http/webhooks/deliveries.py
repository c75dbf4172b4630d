"""What can be done with the deliveries of endpoints, by whoever manages them: nobody need be delivering."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import orjson
from msgspec.structs import replace

from rules.errors import ServiceError
from state.webhooks.queues import Lane, Standing
from streams.reader import TopicReader
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from state.webhooks.endpoints import Endpoint, Endpoints
    from state.webhooks.queues import Dead, RedisQueues
    from streams.settings import Settings

_RESENT_AT_ONCE = 100
_ANSWER_S = 10.0


class BrokerAway(ServiceError):
    """Where the change topic ends now cannot be known."""


class StoredDeliveries:
    """The endpoints' deliveries in Redis. Calls raise `UnknownEndpoint` and `ServiceError`.

    What is written here is noticed within a second by those who deliver, at once by those of this process.
    """

    def __init__(
        self,
        settings: Settings,
        endpoints: Endpoints,
        queues: RedisQueues,
        now_ms: Callable[[], int],
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """`hurry` makes this process notice."""
        self._settings = settings
        self._endpoints = endpoints
        self._queues = queues
        self._now_ms = now_ms
        self._hurry = hurry

    async def add(self, endpoint: Endpoint, *, backfill: bool) -> Endpoint:
        """Keep a new endpoint that reads from now on; with `backfill` its segments' present members come first."""
        made = replace(endpoint, starts=await self._ends(), backfill=int(backfill))
        await self._endpoints.add(made)
        self._hurry()
        return made

    async def enable(self, identity: str, *, resume: Literal["here", "now"]) -> Endpoint:
        """Let one go on where it was, or now, with what waited and came meanwhile skipped."""
        if resume == "now":
            ends = await self._ends()
            endpoint = await self._endpoints.change(identity, lambda before: _enabled(_skipped(before, ends)))
        else:
            endpoint = await self._endpoints.change(identity, _enabled)
        self._hurry()
        return endpoint

    async def disable(self, identity: str) -> Endpoint:
        """Stop one; its place is kept."""
        now_ms = self._now_ms()

        def edit(before: Endpoint) -> Endpoint:
            return replace(before, enabled=False, disabled="asked", disabled_ms=now_ms) if before.enabled else before

        endpoint = await self._endpoints.change(identity, edit)
        self._hurry()
        return endpoint

    async def backfill(self, identity: str) -> Endpoint:
        """Send one the present members of its segments."""
        endpoint = await self._endpoints.change(identity, lambda before: replace(before, backfill=before.backfill + 1))
        self._hurry()
        return endpoint

    async def remove(self, identity: str) -> None:
        """Forget one, and all that waits for it."""
        endpoint = await self._endpoints.get(identity)
        await self._endpoints.remove(identity)
        for lane in self._lanes(endpoint):
            # whoever delivers does so too, after it has noticed: until then it may still write
            await self._queues.forget(lane, dead=True)
        self._hurry()

    async def standing(self, identity: str) -> Standing:
        """Return how one's deliveries stand, in all partitions together; `last` is the newest of them."""
        lanes = self._lanes(await self._endpoints.get(identity))
        found = [(await self._queues.standing([lane]))[0] for lane in lanes]
        dues = [standing.next_due_ms for standing in found if standing.next_due_ms is not None]
        return Standing(
            offset=None,
            fill=None,
            waiting=sum(standing.waiting for standing in found),
            done=sum(standing.done for standing in found),
            again=sum(standing.again for standing in found),
            spent=sum(standing.spent for standing in found),
            dead=sum(standing.dead for standing in found),
            next_due_ms=min(dues, default=None),
            last=max((standing.last for standing in found if standing.last), key=_at, default=""),
        )

    async def dead(self, identity: str, limit: int) -> list[Dead]:
        """Return one's newest spent deliveries, the newest first."""
        return [entry for _, entry in await self._dead(identity, limit)][:limit]

    async def resend(self, identity: str, delivery_id: str | None) -> int:
        """Send a spent delivery again, or all (None); return how many wait anew.

        Each goes to the end of its customer's line, the oldest first, and is tried as if it were new.
        """
        of_lanes: dict[Lane, list[Dead]] = {}
        for lane, entry in reversed(await self._dead(identity)):
            if delivery_id is None or entry.delivery.id == delivery_id:
                of_lanes.setdefault(lane, []).append(entry)
        moved = 0
        for lane, entries in of_lanes.items():
            for at in range(0, len(entries), _RESENT_AT_ONCE):
                moved += await self._queues.resend(lane, self._now_ms(), entries[at : at + _RESENT_AT_ONCE])
        self._hurry()
        return moved

    async def _dead(self, identity: str, newest: int = 0) -> list[tuple[Lane, Dead]]:
        """Return what is kept, the newest first: all, or of each partition so many."""
        lanes = self._lanes(await self._endpoints.get(identity))
        found = [(lane, entry) for lane in lanes for entry in await self._queues.dead(lane.partition, identity, newest)]
        return sorted(found, key=lambda item: (item[1].spent_ms, item[1].number), reverse=True)

    def _lanes(self, endpoint: Endpoint) -> Sequence[Lane]:
        partitions = range(self._settings.partitions)
        return [Lane(partition, endpoint.id, endpoint.generation) for partition in partitions]

    async def _ends(self) -> dict[int, int]:
        """Return where the change topic ends now."""
        topic = Topics.named(self._settings).changes
        try:
            async with TopicReader(self._settings, topic, deadline_s=_ANSWER_S) as reader:
                return {partition: bounds.end for partition, bounds in (await reader.bounds()).items()}
        except ServiceError as error:
            raise BrokerAway(str(error)) from error


def _enabled(endpoint: Endpoint) -> Endpoint:
    return replace(endpoint, enabled=True, disabled=None, disabled_ms=None, failing_since_ms=None)


def _skipped(endpoint: Endpoint, ends: dict[int, int]) -> Endpoint:
    return replace(endpoint, generation=endpoint.generation + 1, starts=ends)


def _at(last: str) -> int:
    return int(orjson.loads(last)["at"])
