"""Looks at every partition in hand once a second: whether it gets on, and how far it is behind."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.errors import SegueError
from streams.inquiry import ask
from streams.lag import Lag
from streams.watch import Seen, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from streams.hold import Hold
    from streams.inquiry import Found
    from streams.parts import Parts
    from streams.transport import Place
    from streams.watch import Stall

log = logging.getLogger(__name__)

LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Watched:
    """One partition in hand, and what is known of how it gets on. It ends with the hold: a new one begins anew."""

    hold: Hold
    watch: Watch
    lag: Lag


class Watchdog:
    """Watches the partitions of one worker.

    `looks` counts the rounds: where it stands still, the event loop does (`streams.pulse`).
    """

    def __init__(
        self,
        parts: Parts,
        holds: Callable[[], Mapping[int, Hold]],
        place: Callable[[int], Place | None],
        failed: Callable[[SegueError], None],
    ) -> None:
        """Ask `holds` and `place` at each look; `failed` is told once, with what the worker is to end with."""
        self._parts = parts
        self._holds = holds
        self._place = place
        self._failed = failed
        self._inquiry: asyncio.Task[None] | None = None
        self.watched: dict[int, Watched] = {}
        self.looks = 0

    async def run(self) -> None:
        """Look until a partition is found that does not get on, or until cancelled."""
        try:
            while True:
                began_s = time.monotonic()
                await asyncio.sleep(LOOK_S)
                self._parts.counters.loop_late_s.observe(max(0.0, time.monotonic() - began_s - LOOK_S))
                self.looks += 1
                if not self._look(self.now_s()):
                    return
        finally:
            if self._inquiry is not None:
                self._inquiry.cancel()

    def stalled(self) -> Stall | None:
        """Return the stall of a partition past the limit, None where there is none."""
        now_s = self.now_s()
        return next((stall for one in self.watched.values() if (stall := one.watch.stall(now_s)) is not None), None)

    def now_s(self) -> float:
        """Return the instant that its watches go by."""
        return time.monotonic()

    def _look(self, now_s: float) -> bool:
        """Look at each partition; False where the worker is to end."""
        holds = self._holds()
        known = {
            partition: self.watched[partition]
            for partition, hold in holds.items()
            if partition in self.watched and self.watched[partition].hold is hold
        }
        self.watched = {
            partition: known.get(partition) or self._begin(hold, now_s) for partition, hold in holds.items()
        }
        for one in self.watched.values():
            try:
                self._look_at(one, now_s)
            except SegueError as error:
                self._failed(error)
                return False
        stall = self.stalled()
        if stall is not None:
            self._end_with(stall)
            return False
        self._ask([partition for partition, one in self.watched.items() if one.watch.wants(now_s)])
        return True

    def _begin(self, hold: Hold, now_s: float) -> Watched:
        parts, stall_s = self._parts, self._parts.settings.stall_deadline / 1000
        return Watched(hold, Watch(parts.topics.events, hold.partition, stall_s, now_s), Lag(parts.now_ms()))

    def _look_at(self, one: Watched, now_s: float) -> None:
        hold, tenure = one.hold, one.hold.tenure
        signs, failures = self._parts.signs.of(hold.partition), hold.failures
        if tenure is None:
            seen = Seen(None, signs, failures, idle=True, resting=False, pausing=hold.pausing, place=None)
            one.watch.look(seen, now_s)
            return
        place = self._place(hold.partition)
        seen = Seen(tenure.applied, signs, failures, tenure.idle, tenure.resting, pausing=False, place=place)
        one.watch.look(seen, now_s)
        one.lag.look(tenure.applied, place, tenure.oldest_ms, self._parts.now_ms())

    def _ask(self, partitions: Sequence[int]) -> None:
        if partitions and (self._inquiry is None or self._inquiry.done()):
            self._inquiry = asyncio.create_task(self._inquire([self.watched[partition] for partition in partitions]))

    async def _inquire(self, about: Sequence[Watched]) -> None:
        found: Mapping[int, Found] = {}
        try:
            found = await ask(self._parts, [one.hold.partition for one in about])
        except Exception:
            log.exception("store and broker could not be asked about partitions that stand still")
        for one in about:
            said = found.get(one.hold.partition)
            one.watch.told(said, self.now_s())
            if said is not None:
                one.lag.told(said, held=one.hold.tenure is not None)

    def _end_with(self, stall: Stall) -> None:
        hold = self.watched[stall.partition].hold
        fields = {
            "partition": stall.partition,
            "offset": stall.found.offset,
            "lag": stall.found.end - stall.found.offset,
            "seconds": round(stall.still_s),
        }
        log.error("partition %d waits at %s", stall.partition, hold.whereabouts or "nothing", extra=fields)
        if hold.last_failure:
            log.error("partition %d failed last of: %s", stall.partition, hold.last_failure, extra=fields)
        self._failed(stall)
