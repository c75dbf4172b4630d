"""Holding one partition for as long as the consumer group assigns it: one tenure after another."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from rules.errors import AccessError, Fenced, ServiceError
from streams.tenure import Tenure, TenureOver
from streams.whereabouts import whereabouts

if TYPE_CHECKING:
    from streams.parts import Parts
    from streams.transport import ChunkConsumer

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_CALM_S = 30.0

_PASSING = (Fenced, ServiceError, TenureOver)
"""What a new tenure may mend: somebody else was quicker, or a service was away."""


class Hold:
    """Takes a partition over, and over again after a failure, with pauses that grow."""

    def __init__(self, parts: Parts, consumer: ChunkConsumer, partition: int) -> None:
        """Begin with no tenure."""
        self.tenure: Tenure | None = None
        self.partition = partition
        self.failures = 0
        """How many tenures have failed here, and how many attempts to begin one."""
        self.last_failure = ""
        self.pausing = False
        """Whether the next attempt waits after a failure."""
        self._parts = parts
        self._consumer = consumer
        self._closing = self._ending = False
        self._task: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Hold the partition until closed; raises what no new tenure would mend."""
        self._task = asyncio.current_task()
        pause_s = _FIRST_PAUSE_S
        while not self._closing:
            began = time.monotonic()
            try:
                await self._one_tenure()
            except AccessError:
                raise  # a right that is missing does not come by trying
            except _PASSING as error:
                if time.monotonic() - began > _CALM_S:
                    pause_s = _FIRST_PAUSE_S
                self._failed(error)
                self.pausing = True
                await asyncio.sleep(pause_s)
                self.pausing = False
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                pause_s = _FIRST_PAUSE_S

    async def _one_tenure(self) -> None:
        tenure = await Tenure.begin(self._parts, self.partition)
        try:
            self._consumer.read(self.partition, tenure.next_offset, tenure.number)
            self.tenure = tenure
            await tenure.run()
        finally:
            self.tenure = None
            self._consumer.release(self.partition)
            self._ending = True
            await tenure.end()
            self._ending = False

    def _failed(self, error: Exception) -> None:
        self.failures, self.last_failure = self.failures + 1, str(error)
        counters = self._parts.counters
        if isinstance(error, Fenced):
            counters.fenced += 1
        elif isinstance(error, ServiceError):
            counters.outages += 1
        of = {"partition": self.partition}
        log.warning("partition %d: %s; it is taken over again", self.partition, error, extra=of)

    @property
    def whereabouts(self) -> str:
        """Where in the code it waits at this moment."""
        return whereabouts(self._task) if self._task is not None else ""

    def close(self) -> None:
        """End it: at once while it takes over or pauses, after the step under way while it works."""
        self._closing = True
        if self.tenure is not None:
            self.tenure.close()
        elif self._task is not None and not self._ending:
            self._task.cancel()
