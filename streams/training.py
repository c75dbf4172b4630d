"""Who learns: the worker that holds partition 0 of the events, in a task beside its tenures.

Nothing here imports River, which takes a second and 100 MB: `streams.learning` does, once there is a model to learn.
Whatever goes wrong with learning is logged, counted and tried again; segment changes go on.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.errors import SegueError
from streams.tasks import end

if TYPE_CHECKING:
    from streams.parts import Parts

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 60.0
_CALM_S = 120.0


@dataclass(slots=True)
class Progress:
    """How far learning is: the offset after the last sample learned or passed over, and whether a snapshot has it all.

    With `hurry` snapshots are written at once: at the end of a replay.
    """

    next_offset: int = 0
    saved: bool = True
    hurry: bool = False


class Training:
    """Learns the models of the active ruleset while started; starting and stopping may be repeated."""

    def __init__(self, parts: Parts) -> None:
        """Begin stopped."""
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self.progress = Progress()

    def start(self) -> None:
        """Begin to learn, where that is not so already."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name="learn the models")

    async def stop(self) -> None:
        """Learn no more; what no snapshot has yet is learned again by the next trainer."""
        task, self._task = self._task, None
        await end(task)

    async def _keep(self) -> None:
        definitions, changed = self._parts.definitions, asyncio.Event()
        definitions.changed.add(changed.set)
        try:
            while True:
                changed.clear()
                if definitions.active.engine.ruleset.models:
                    await self._until(changed)
                else:
                    await changed.wait()
        finally:
            definitions.changed.discard(changed.set)

    async def _until(self, changed: asyncio.Event) -> None:
        """Learn until the definitions change."""
        learning = asyncio.create_task(self._patiently())
        waiting = asyncio.create_task(changed.wait())
        try:
            await asyncio.wait((learning, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(learning, waiting)

    async def _patiently(self) -> None:
        """Learn; after a failure again from the newest snapshots, with pauses that grow."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                await self._learn()
            except SegueError as error:
                log.warning("learning has stopped: %s; it goes on from the newest snapshots", error)
            except Exception:
                log.exception("learning has failed; it goes on from the newest snapshots")
            if time.monotonic() - began > _CALM_S:
                pause_s = _FIRST_PAUSE_S
            self._parts.counters.training_failures += 1
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _learn(self) -> None:
        # the topics are there and as they must be: a client that asks for a missing one may make it
        await self._parts.snapshots.ready(self._parts.definitions.active.engine)
        # in a thread: meanwhile the worker goes on
        learning = await asyncio.to_thread(importlib.import_module, "streams.learning")
        await learning.learn(self._parts, self.progress)
