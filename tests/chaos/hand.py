"""A worker as far as one partition goes, without a consumer group: whom the partition belongs to is the test's choice.

It takes the partition over, applies what is left of its log in chunks, fires what is certain, and ends. Two hands may
have one partition at once, as two workers may of whom one does not know yet that it has lost it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.errors import Fenced, ServiceError
from rules.load import load_text
from state.redis import RedisStore
from streams.app import build_parts
from streams.chunk import Chunk
from streams.clocks import live_clock
from streams.tenure import Delivery, Tenure, TenureOver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from streams.parts import Parts
    from streams.settings import Settings
    from tests.chaos.topic import Record

RULES = load_text("""
segments:
  - {key: around, when: {did: {event: "*", within: 40ms}}}
  - {key: clicked, when: {did: {event: Clicked}}}
  - {key: often, when: {did: {event: "*", times: {gte: 3}}}}
segmentations:
  - {key: mood, segments: [clicked], otherwise: cold}
""")
"""Left by a timer after 40 ms, so that sweeps have something to fire between the parts of a log."""

CHUNK = 3
"""Records in a chunk."""

POLL_S = 0.002

PASSING = (Fenced, ServiceError, TenureOver)
"""What a worker takes the partition over again after."""

ATTEMPTS = 2


@dataclass(frozen=True)
class Hand:
    """What every worker of an app has: its settings and the logs."""

    settings: Settings
    log: Mapping[int, Sequence[Record]]

    async def once(self, partition: int, *, accept_rollback: bool = False) -> None:
        """Do all that there is to do, with clients of its own."""
        async with self.parts(accept_rollback=accept_rollback) as parts:
            await self.work(parts, partition)

    async def keep(self, partition: int) -> None:
        """Do all that there is to do, and take the partition over again where that fails and may pass."""
        async with self.parts() as parts:
            for _ in range(ATTEMPTS):
                with contextlib.suppress(*PASSING):
                    return await self.work(parts, partition)
            return await self.work(parts, partition)

    async def work(self, parts: Parts, partition: int) -> None:
        """Take the partition over and do all that there is to do."""
        tenure = await Tenure.begin(parts, partition)
        closing = asyncio.create_task(_close_when_done(tenure))
        try:
            for number, records in enumerate(self._left(partition, tenure.next_offset)):
                tenure.offer(Delivery(Chunk(partition, tenure.number, number, records), lambda: None))
            await tenure.run()
        finally:
            closing.cancel()
            await tenure.end()

    def _left(self, partition: int, offset: int) -> list[Sequence[Record]]:
        """Return chunks of what stands in a partition from the offset on."""
        records = [record for record in self.log[partition] if record.offset >= offset]
        return [records[at : at + CHUNK] for at in range(0, len(records), CHUNK)]

    @contextlib.asynccontextmanager
    async def parts(self, *, accept_rollback: bool = False) -> AsyncIterator[Parts]:
        """Put together what tenures work with: clients of its own, and a clock that asks for no ticks."""
        clock = live_clock(self.settings)
        clock.ticks = False
        store = RedisStore(self.settings.redis, self.settings.app_id)
        await store.start()
        try:
            async with build_parts(self.settings, store, RULES, clock=clock, accept_rollback=accept_rollback) as parts:
                yield parts
        finally:
            await store.close()


async def _close_when_done(tenure: Tenure) -> None:
    while not (tenure.idle and tenure.resting):  # noqa: ASYNC110 - a tenure has no event for it
        await asyncio.sleep(POLL_S)
    tenure.close()
