"""Which version of each model is in force: every worker follows the topic `models`, and scores with the newest.

Nothing here imports River: a worker that only scores does without.
"""

from __future__ import annotations

import asyncio
import logging
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from rules.errors import ServiceError, StateError, TopicError
from state.models.scorers import make_scorer
from state.models.snapshot import decode
from streams.reader import NO_HURRY_MS, TopicReader
from streams.tasks import end
from streams.topics import check_topics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.models.definition import AnyModel
    from state.engine import Engine
    from state.models.scorer import Scorers
    from state.models.snapshot import Snapshot
    from streams.counters import Counters
    from streams.reader import Record
    from streams.settings import Settings
    from streams.topics import Topics

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0


class Verdict(Enum):
    """What became of a record of the topic `models`."""

    TAKEN = "taken"
    FORGOTTEN = "forgotten"
    IGNORED = "ignored"
    FOREIGN = "of no model of the ruleset"


class Newest:
    """The newest valid snapshot of each model, as the topic says it, record by record."""

    def __init__(self, models: Sequence[AnyModel]) -> None:
        """Begin with none."""
        self.models = {model.key: model for model in models}
        self.held: dict[str, Snapshot] = {}

    def take(self, key: bytes | None, value: bytes | None) -> Verdict:
        """Take one record; an empty value makes a model begin anew.

        Ignored are what cannot be read, a snapshot of another definition than the ruleset's, and one whose offset is
        lower than that of the one held: a trainer that was replaced and does not know it.
        """
        model = self.models.get((key or b"").decode(errors="replace"))
        if model is None:
            return Verdict.FOREIGN
        if not value:
            self.held.pop(model.key, None)
            return Verdict.FORGOTTEN
        try:
            snapshot = decode(value)
        except StateError as error:
            log.warning("model %s: %s", model.key, error)
            return Verdict.IGNORED
        held = self.held.get(model.key)
        if (snapshot.model, snapshot.definition) != (model.key, model.definition):
            return Verdict.IGNORED
        if held is not None and snapshot.offset < held.offset:
            log.warning(
                "model %s: version %d (offset %d) is older than the one in force (version %d, offset %d): ignored",
                model.key, snapshot.version, snapshot.offset, held.version, held.offset,
            )  # fmt: skip
            return Verdict.IGNORED
        self.held[model.key] = snapshot
        return Verdict.TAKEN


class InForce:
    """Keeps an engine's scorers as the topic has them."""

    def __init__(self, models: Sequence[AnyModel], scorers: Scorers, counters: Counters) -> None:
        """`scorers` is the engine's own dict, and is changed in place."""
        self._newest = Newest(models)
        self._scorers = scorers
        self._counters = counters

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of the topic; one that no scorer can be made of leaves the scorer before it."""
        name = (key or b"").decode(errors="replace")
        before = self._newest.held.get(name)
        match self._newest.take(key, value):
            case Verdict.FORGOTTEN:
                self._scorers.pop(name, None)
            case Verdict.IGNORED:
                self._counters.snapshots_ignored += 1
            case Verdict.TAKEN:
                self._score_with(name, before)
            case Verdict.FOREIGN:
                pass

    def _score_with(self, name: str, before: Snapshot | None) -> None:
        held = self._newest.held
        # what learning goes on from is the larger part, and of no use here
        snapshot = held[name] = msgspec.structs.replace(held[name], learner={}, metrics={})
        try:
            scorer = make_scorer(self._newest.models[name], snapshot)
        except StateError as error:
            log.warning("%s", error)
            self._counters.snapshots_ignored += 1
            held.pop(name)
            if before is not None:
                held[name] = before
            return
        if scorer is None:
            self._scorers.pop(name, None)
        else:
            self._scorers[name] = scorer


class SnapshotFollower:
    """Follows the topic for the engine of the active ruleset; does nothing where that has no models."""

    def __init__(self, settings: Settings, topics: Topics, counters: Counters) -> None:
        """Begin with no engine."""
        self._settings = settings
        self._topic = topics.models
        self._counters = counters
        self._following: _Following | None = None
        self._changing = asyncio.Lock()

    async def ready(self, engine: Engine) -> None:
        """Return once the engine scores with what the topic has now; from then on it is kept so.

        Raises
        ------
        TopicError
            if a topic that models need is missing or not as it must be.
        ServiceError
            if the topic cannot be read.
        """
        async with self._changing:
            if self._following is None or self._following.engine is not engine or self._following.ended:
                await self._end()
                self._following = _Following(self._settings, self._topic, engine, self._counters)
        await self._following.caught_up()

    async def close(self) -> None:
        """Follow no more."""
        async with self._changing:
            await self._end()

    async def _end(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            await following.end()


class _Following:
    """One engine's scorers, kept up to date by a task; no task where the ruleset has no models."""

    def __init__(self, settings: Settings, topic: str, engine: Engine, counters: Counters) -> None:
        self.engine = engine
        self._settings = settings
        self._topic = topic
        self._in_force = InForce(engine.ruleset.models, engine.scorers, counters)
        self._next_offset = 0
        """Where reading goes on after an error."""
        self._caught_up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if engine.ruleset.models:
            self._task = asyncio.create_task(self._keep(), name="follow the models")

    @property
    def ended(self) -> bool:
        return self._task is not None and self._task.done()

    async def caught_up(self) -> None:
        """Wait until all was read that was there; raises what ended the task before."""
        if self._task is None:
            return
        waiting = asyncio.create_task(self._caught_up.wait())
        try:
            await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(waiting)
        if not self._caught_up.is_set():
            if self._task.cancelled():
                message = f"{self._topic}: reading was given up for another ruleset"
                raise ServiceError(message)
            self._task.result()

    async def end(self) -> None:
        await end(self._task)

    async def _keep(self) -> None:
        """Follow; an error before all was read once is the waiting tenures', later it is tried again."""
        findings = [str(finding) for finding in await check_topics(self._settings, models=True) if finding.fatal]
        if findings:
            raise TopicError("\n".join(findings))
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._follow()
            except ServiceError as error:
                if not self._caught_up.is_set():
                    raise
                log.warning("%s; models stay as they are meanwhile", error)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _follow(self) -> None:
        deadline_s = self._settings.takeover_deadline / 1000
        async with TopicReader(
            self._settings, self._topic, partitions=[0], deadline_s=deadline_s, fetch_wait_ms=NO_HURRY_MS
        ) as topic:
            if not self._caught_up.is_set():
                async for records in topic.to_end():
                    self._take(records)
                self._caught_up.set()
            else:
                first, end = (await topic.bounds())[0]
                topic.seek(0, self._next_offset if first <= self._next_offset <= end else first)
            while True:
                self._take(await topic.some())

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            self._in_force.take(record.key, record.value)
            self._next_offset = record.offset + 1
