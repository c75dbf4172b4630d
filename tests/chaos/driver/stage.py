"""A scene whose workers are slots with networks of their own, and how it is seen that all get on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from rules.errors import SegueError
from streams.topics import Topics
from tests.chaos.driver.faults import happen
from tests.chaos.driver.plan import KILLS
from tests.chaos.driver.slot import Slot
from tests.chaos.driver.wire import Wire
from tests.chaos.driver.wired_kafka import WiredKafka
from tests.chaos.scene import environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from tests.chaos.driver.plan import Step
    from tests.chaos.driver.timeline import Timeline
    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

CALM_S = 100.0
"""How long it may take, with all services back, until everything is applied: less than the watchdog's deadline."""

QUIET_S = 8.0
"""So long nothing grows where nothing is left to fire: longer than any timer, and than a pause after failures."""

POLL_S = 0.25


@dataclass
class Stage:
    """An app, its slots, and what happens."""

    scene: Scene
    broker: Broker
    slots: list[Slot]
    timeline: Timeline
    happened: Counter[str] = field(default_factory=Counter)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)

    @property
    def kills(self) -> int:
        """How many workers were killed."""
        return sum(slot.kills for slot in self.slots)

    @property
    def falls(self) -> list[str]:
        """How workers ended that nobody ended."""
        return [fall for slot in self.slots for fall in slot.falls]

    def locks(self, step: Step) -> Iterator[asyncio.Lock]:
        """Yield what no two faults may have at once, in one order."""
        match step.kind.at:
            case "all":
                names = [f"slot {slot.number}" for slot in self.slots]
            case "slot":
                names = [f"slot {step.slot}"]
            case "wire":
                names = [f"wire {step.slot} {step.kind.name.partition('_')[2]}"]
            case service:
                names = [service]
        for name in names:
            yield self._locks.setdefault(name, asyncio.Lock())

    async def go_through(self, steps: Iterable[Step], *, kills: int, seconds: float, calm_every: int) -> None:
        """Have faults happen until there were so many kills, and so many seconds."""
        steps = iter(steps)
        while self.kills < kills or self.timeline.seconds < seconds:
            async with asyncio.TaskGroup() as group:
                for _ in range(calm_every):
                    step = next(steps)
                    if kills and self.kills >= kills and step.kind.name in KILLS:
                        continue
                    await asyncio.sleep(step.pause_s)
                    self.happened[step.kind.name] += 1
                    task = group.create_task(happen(self, step))
                    if not step.beside:
                        await task
            await self.calm()

    async def calm(self) -> None:
        """Wait until all that is on the topic now is applied; raises `AssertionError` where that does not come."""
        began_s = time.monotonic()
        ends = await self._ends()
        while left := await self._left(ends):
            if time.monotonic() - began_s > CALM_S:
                message = f"{CALM_S:g} s after the last fault these are not applied (partition: (offset, end)): {left}"
                raise AssertionError(message)
            await asyncio.sleep(POLL_S)
        took_s = time.monotonic() - began_s
        self.timeline.say(f"calm after {took_s:.1f} s; {self.kills} kills, {self.scene.load.sent} events sent")

    async def quiet(self) -> None:
        """Wait, the load over, until no partition of the events grows any more and all is applied."""
        began_s = since_s = time.monotonic()
        before = await self._ends()
        while time.monotonic() - since_s < QUIET_S:
            await asyncio.sleep(1)
            ends = await self._ends()
            left = await self._left(ends)
            if ends != before or left:
                before, since_s = ends, time.monotonic()
            if time.monotonic() - began_s > CALM_S:
                message = f"{CALM_S:g} s after the load's end it is not quiet: ends are {ends}, not applied is {left}"
                raise AssertionError(message)

    async def _ends(self) -> dict[int, int]:
        settings = self.scene.settings
        topic = Topics.named(settings).events
        places = [TopicPartition(topic, partition) for partition in range(settings.partitions)]
        async with AIOKafkaConsumer(bootstrap_servers=settings.broker) as consumer:
            return {place.partition: end for place, end in (await consumer.end_offsets(places)).items()}

    async def _left(self, ends: dict[int, int]) -> dict[int, tuple[int, int]]:
        left = {}
        for partition, end in ends.items():
            offset = -1
            with contextlib.suppress(SegueError, KafkaError):
                offset = (await self.scene.store.head(partition)).offset
            if offset < end:
                left[partition] = offset, end
        return left


@contextlib.asynccontextmanager
async def make_stage(scene: Scene, broker: Broker, timeline: Timeline, slots: int) -> AsyncIterator[Stage]:
    """Set the slots up; no worker runs yet, and none runs afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for number in range(slots):
            valkey_wire = await stack.enter_async_context(Wire(scene.valkey.port))
            broker_wire = broker.wires[number] if isinstance(broker, WiredKafka) else None
            changed = {"redis": f"redis://{valkey_wire.address}/0"}
            if broker_wire is not None:
                await stack.enter_async_context(broker_wire)
                changed["broker"] = broker_wire.address
            settings = scene.settings.model_copy(update=changed)
            slot = Slot(number, environment(settings), scene.crew.logs, timeline, broker_wire, valkey_wire)
            stack.callback(slot.close)
            made.append(slot)
        keepers = [asyncio.create_task(slot.keep()) for slot in made]
        try:
            yield Stage(scene, broker, made, timeline)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
