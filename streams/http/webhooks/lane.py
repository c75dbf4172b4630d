"""The attempts of one lane: an endpoint's deliveries in one partition."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Final

import orjson

from state.webhooks.queues import Dead, Settled, Waiting
from streams.http.webhooks.schedule import verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from typing import Any

    from state.webhooks.queues import Delivery, Following, Lane, Queues
    from streams.http.webhooks.attempt import Outcome
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.post import Post, Slot
    from streams.http.webhooks.settling import Settling

    GiveUp = Callable[[str, Dead], Awaitable[None]]

READY: Final = 32
"""Deliveries of a lane in memory beside those under way; more that are due are looked for when these are gone."""
UNSETTLED: Final = 64
"""Attempts of a lane that are under way or wait to be settled, as where Redis or the broker is away."""


class LaneWork:
    """Attempts what is due, each customer's first delivery alone.

    Redis has the truth; what is in memory is `held`: ready to go, under way, or being settled. `waiting` is how many
    wait in Redis, `next_ms` when the next is due of those not held, and `look` says that more may be due than is held.
    """

    def __init__(
        self, lane: Lane, post: Post, queues: Queues, settling: Settling, give_up: GiveUp, clock: Clock
    ) -> None:
        """`give_up` is called with a spent delivery before it leaves the queue."""
        self.lane = lane
        self.post = post
        self.waiting = 0
        self.eased: Callable[[], None] = lambda: None
        """Called when fewer wait than before."""
        self._queues = queues
        self._settling = settling
        self._give_up = give_up
        self._clock = clock
        self._ready: deque[Waiting] = deque()
        self._held: set[int] = set()
        self._next_ms: int | None = None
        self._look = True
        self._wake = asyncio.Event()

    def add(self, numbers: Sequence[int], deliveries: Sequence[Delivery], waiting: int) -> None:
        """Take deliveries that were enqueued; `waiting` is how many wait now."""
        self.waiting = waiting
        for number, delivery in zip(numbers, deliveries, strict=True):
            if number > 0:
                self._offer(Waiting(number, 0, delivery))
        self._wake.set()

    def look(self) -> None:
        """Have the schedule looked at."""
        self._look = True
        self._wake.set()

    async def run(self, begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        """Begin attempts as they are due, without end; each is handed to `begin`, which runs it beside."""
        while True:
            await self._something_due()
            slot = await self.post.slot()
            if not self.post.open or not self._ready:  # meanwhile it was disabled
                slot.free()
                continue
            attempt = begin(self._attempt(self._ready.popleft(), slot))
            attempt.add_done_callback(slot.free)  # it may be cancelled before it begins

    async def _something_due(self) -> None:
        while True:
            self._wake.clear()
            if not self.post.open or len(self._held) - len(self._ready) >= UNSETTLED:
                await self._wake.wait()
                continue
            if self._ready:
                return
            now_ms = self._clock.now_ms()
            if self._look or (self._next_ms is not None and self._next_ms <= now_ms):
                await self._find(now_ms)
                continue
            await self._clock.wait(self._wake, self._next_ms)

    async def _find(self, now_ms: int) -> None:
        self._look = False
        due = await self._queues.due(self.lane, now_ms, READY, list(self._held))
        self.waiting = due.waiting
        self._next_ms = due.next_ms
        if due.next_ms is not None and due.next_ms <= now_ms:
            self._look = True
        for waiting in due.found:
            self._offer(waiting)
        self.eased()

    def _offer(self, waiting: Waiting) -> None:
        if waiting.number in self._held:
            return
        if len(self._ready) >= 2 * READY:
            self._look = True
            return
        self._held.add(waiting.number)
        self._ready.append(waiting)

    async def _attempt(self, waiting: Waiting, slot: Slot) -> None:
        try:
            outcome = await self.post.send(waiting.delivery)
        finally:
            slot.free()
        settled = self._judge(waiting, outcome)
        if settled.dead is not None:
            await self._give_up(self.lane.endpoint, settled.dead)
        self._after(settled, await self._settling.settle(settled))

    def _judge(self, waiting: Waiting, outcome: Outcome) -> Settled:
        now_ms, tries, delivery = self._clock.now_ms(), waiting.tries + 1, waiting.delivery
        found = verdict(outcome, tries, now_ms, random.uniform(-1, 1))  # noqa: S311 - it spreads a load
        last = {"at": now_ms, "status": outcome.status, "failure": outcome.failure, "shown": outcome.shown}
        settled = Settled("done", self.lane, waiting.number, delivery.customer, last=orjson.dumps(last).decode())
        match found.kind:
            case "done":
                return settled
            case "again":
                return settled._replace(kind="again", tries=tries, due_ms=found.due_ms)
            case "gone":  # it keeps its place, and this attempt does not count
                self.post.disable("gone")
                return settled._replace(kind="again", tries=waiting.tries, due_ms=now_ms)
            case "spent":
                dead = Dead(waiting.number, now_ms, tries, outcome.status, outcome.failure, outcome.shown, delivery)
                return settled._replace(kind="spent", dead=dead)

    def _after(self, settled: Settled, following: Following) -> None:
        self._held.discard(settled.number)
        if settled.kind == "again":
            self._next_ms = settled.due_ms if self._next_ms is None else min(self._next_ms, settled.due_ms)
        elif following.sure:
            self.waiting -= 1
        if not following.sure:
            self._look = True
        elif following.waiting is not None:
            self._offer(following.waiting)
        self._wake.set()
        self.eased()
