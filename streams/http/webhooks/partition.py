"""One partition's webhooks, for as long as this process owns it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from state.webhooks.queues import Lane
from streams.http.webhooks.clock import soon
from streams.http.webhooks.directory import REFRESH_S
from streams.http.webhooks.feed import Feed, Place
from streams.http.webhooks.fill import Fill, is_filled
from streams.http.webhooks.lane import LaneWork
from streams.http.webhooks.matching import Wanted
from streams.http.webhooks.settling import Settling
from streams.tasks import end

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from state.webhooks.endpoints import Endpoint
    from state.webhooks.queues import Queues, Standing
    from streams.http.webhooks.clock import Clock
    from streams.http.webhooks.directory import Directory
    from streams.http.webhooks.feed import Source
    from streams.http.webhooks.lane import GiveUp
    from streams.http.webhooks.measures import WebhookMeasures

DRAIN_S: Final = 2.0
"""How long attempts under way may take to end when the partition goes to another process."""


class Tools(NamedTuple):
    """What every partition of a process works with."""

    source: Source
    queues: Queues
    directory: Directory
    give_up: GiveUp
    clock: Clock
    measures: WebhookMeasures


class _Crew:
    """Tasks that stand or fall together: `broken` has the first error."""

    def __init__(self) -> None:
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def idle(self, within_s: float) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within_s)

    async def end(self) -> None:
        await end(*self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.broken.done():
            self.broken.set_exception(error)
            self.broken.exception()  # whoever waited for it may have been cancelled


class PartitionWork:
    """Feeds the partition's lanes and attempts what is due in them."""

    def __init__(self, partition: int, epoch: int, stored: Sequence[Lane], tools: Tools) -> None:
        """Begin with the lanes of which Redis has something, `stored`."""
        self._partition = partition
        self._epoch = epoch
        self._tools = tools
        self._stored = set(stored)
        self._settling = Settling(tools.queues, partition, epoch, tools.clock)
        self._feed = Feed(partition, epoch, tools.source, tools.queues, tools.clock, tools.measures)
        self._works: dict[Lane, LaneWork] = {}
        self._loops: dict[Lane, asyncio.Task[None]] = {}
        self._places: dict[Lane, Place] = {}
        self._filled: dict[Lane, str | None] = {}
        self._fills: dict[Lane, asyncio.Task[None]] = {}
        self._going, self._attempts = _Crew(), _Crew()
        self._attempts.broken = self._going.broken
        self._poked = 0

    async def run(self) -> None:
        """Work without end; cancelled, what is under way may end first. Raises `SegueError`."""
        settling = _Crew()
        settling.broken = self._going.broken
        try:
            settling.spawn(self._settling.run())
            self._feed.start(self._going.spawn)
            with self._tools.directory.heard() as changed:
                self._going.spawn(self._keep(changed))
                await self._going.broken
        finally:
            try:
                await self._going.end()
                if not self._going.broken.done() or self._going.broken.cancelled():
                    await self._attempts.idle(DRAIN_S)
            finally:
                await self._attempts.end()
                await settling.end()

    def show(self) -> dict[str, tuple[int, int]]:
        """Return endpoint -> how many deliveries wait, and how far behind its reading is."""
        return {lane.endpoint: (work.waiting, self._feed.behind(lane)) for lane, work in self._works.items()}

    async def _keep(self, changed: asyncio.Event) -> None:
        self._poked = await self._tools.queues.poked(self._partition)
        while True:
            changed.clear()
            await self._reconcile()
            poked = await self._tools.queues.poked(self._partition)
            if poked != self._poked:
                self._poked = poked
                for work in self._works.values():
                    work.look()
            await soon(changed, REFRESH_S)

    async def _reconcile(self) -> None:
        """Have a lane for each endpoint, and none for those that are gone."""
        posts = self._tools.directory.posts
        wanted = {Lane(self._partition, post.endpoint.id, post.endpoint.generation) for post in posts.values()}
        for lane in (set(self._works) | self._stored) - wanted:
            await self._drop(lane, gone=lane.endpoint not in posts)
        new = sorted(wanted - set(self._works))
        standings = await self._tools.queues.standing(new)
        for lane, standing in zip(new, standings, strict=True):
            if lane.endpoint in self._tools.directory.posts:  # it may have gone meanwhile
                starts = posts[lane.endpoint].endpoint.starts
                offset = starts.get(self._partition, 0) if standing.offset is None else standing.offset
                self._open(lane, offset, standing)
        for lane, work in self._works.items():
            self._update(lane, work)

    def _open(self, lane: Lane, offset: int, standing: Standing) -> None:
        tools = self._tools
        post = tools.directory.posts[lane.endpoint]
        work = LaneWork(lane, post, tools.queues, self._settling, tools.give_up, tools.clock)
        work.waiting = standing.waiting
        work.eased = lambda: self._feed.eased(lane)
        self._works[lane] = work
        self._stored.add(lane)
        self._places[lane] = Place(lane, work, Wanted(post.endpoint), offset, self._share(post.endpoint))
        self._filled[lane] = standing.fill
        self._loops[lane] = self._going.spawn(work.run(self._attempts.spawn))

    def _update(self, lane: Lane, work: LaneWork) -> None:
        """Go by the endpoint's record as it is now."""
        place, endpoint = self._places[lane], work.post.endpoint
        place.wanted, place.most = Wanted(endpoint), self._share(endpoint)
        if not work.post.open:
            self._feed.leave(lane)
        elif lane in self._fills:
            return
        elif not is_filled(self._filled[lane], endpoint.backfill):
            place.filled = False
            self._feed.leave(lane)
            self._fills[lane] = self._going.spawn(self._fill(lane, place, endpoint.backfill))
        elif place.reading is None:
            self._feed.join(place)
            work.look()

    async def _fill(self, lane: Lane, place: Place, request: int) -> None:
        tools = self._tools
        fill = Fill(place, self._epoch, tools.source, tools.queues, tools.clock)
        await fill.run(self._filled[lane], request, self._feed.lock)
        self._filled[lane] = f"{request}:done"
        del self._fills[lane]
        place.filled = True
        self._update(lane, place.work)

    async def _drop(self, lane: Lane, *, gone: bool) -> None:
        """Remove a lane and all that waits in it; of an endpoint that is gone, what was spent too."""
        async with self._feed.lock:
            self._feed.leave(lane, forget=True)
        await end(self._loops.pop(lane, None), self._fills.pop(lane, None))
        self._works.pop(lane, None)
        self._places.pop(lane, None)
        self._filled.pop(lane, None)
        await self._tools.queues.forget(lane, dead=gone)
        self._stored.discard(lane)

    def _share(self, endpoint: Endpoint) -> int:
        """Return how many may wait in one of the endpoint's lanes: their sum is no more than all that may."""
        return max(1, endpoint.max_waiting // self._tools.source.partitions)
