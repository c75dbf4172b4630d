"""What each kind of fault does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING

from tests.chaos.driver.wire import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.child import Child
    from tests.chaos.driver.plan import Step
    from tests.chaos.driver.slot import Slot
    from tests.chaos.driver.stage import Stage

AT_WORK_S = 12.0
POLL_S = 0.05


async def kill(stage: Stage, step: Step) -> None:
    """Kill a worker, as -9 does."""
    slot = stage.slots[step.slot]
    if step.at_work:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AT_WORK_S):
                while not slot.at_work:  # noqa: ASYNC110 - its log says so
                    await asyncio.sleep(POLL_S)
        await asyncio.sleep(step.pause_s)
    await _kill(stage, step, slot)


async def kill_all(stage: Stage, step: Step) -> None:
    """Kill all workers at once."""
    await asyncio.gather(*[_kill(stage, step, slot) for slot in stage.slots])


async def _kill(stage: Stage, step: Step, slot: Slot) -> None:
    if await slot.kill():
        stage.timeline.say(f"#{step.number} killed the worker of slot {slot.number}")
    await asyncio.sleep(step.lasts_s)
    slot.begin()


async def freeze(stage: Stage, step: Step) -> None:
    """Have a worker stand still, then go on in the middle of what it did."""
    worker = stage.slots[step.slot].worker
    if worker is not None and worker.runs:
        worker.freeze()
        await asyncio.sleep(step.lasts_s)
        if worker.runs:  # else it was killed meanwhile
            worker.thaw()


async def leave(stage: Stage, step: Step) -> None:
    """Have a worker end, and another join later."""
    slot = stage.slots[step.slot]
    await slot.leave()
    stage.timeline.say(f"#{step.number} slot {slot.number} is empty")
    await asyncio.sleep(step.lasts_s)
    slot.begin()


async def _killed(server: Child, step: Step) -> None:
    """Kill a service, and start it again with what it has on disk."""
    await server.kill()
    await asyncio.sleep(step.lasts_s)
    await server.start()


async def _stopped(server: Child, step: Step) -> None:
    """Have a service stand still."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(step.lasts_s)
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def _on_wire(stage: Stage, step: Step, state: State, service: str) -> None:
    """Have a worker's network to a service do otherwise for a while."""
    slot = stage.slots[step.slot]
    wire = slot.broker_wire if service == "broker" else slot.valkey_wire
    if wire is None:
        return
    wire.turn(state)
    await asyncio.sleep(step.lasts_s)
    wire.turn(State.OPEN)
    if step.resets:
        wire.reset()


async def happen(stage: Stage, step: Step) -> None:
    """Let it happen, from beginning to end."""
    name = step.kind.name
    others: dict[str, Callable[[Stage, Step], Awaitable[None]]] = {
        "kill": kill,
        "kill_all": kill_all,
        "freeze": freeze,
        "leave": leave,
    }
    async with contextlib.AsyncExitStack() as locks:
        for lock in stage.locks(step):
            await locks.enter_async_context(lock)
        stage.timeline.say(str(step))
        if name in others:
            await others[name](stage, step)
        else:
            how, _, service = name.partition("_")
            server = stage.broker if service == "broker" else stage.scene.valkey
            match how:
                case "kill":
                    await _killed(server, step)
                case "stop":
                    await _stopped(server, step)
                case _:
                    await _on_wire(stage, step, State(how), service)
        stage.timeline.say(f"#{step.number} is over")
