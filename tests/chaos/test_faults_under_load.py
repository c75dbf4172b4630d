"""Workers and store are killed in mid-load; each change is said once all the same, and none that is not true."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.chaos.scene import TIMES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.chaos.crew import WorkerProcess
    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300 * TIMES)]


async def kill_a_worker(scene: Scene) -> None:
    """Kill one of those at work, at any moment, and start another."""
    worker = await scene.crew.someone_at_work(scene.random)
    await scene.pause(0, 2)
    await worker.kill()
    await scene.pause(0, 1)
    await scene.crew.hire()


async def join_and_leave(scene: Scene) -> None:
    """Start one more worker, and have it leave once it holds some of the partitions."""
    [another] = await scene.crew.hire()
    await scene.crew.until(lambda: another in scene.crew.owners().values(), "a further worker to get partitions")
    await scene.pause(0, 2)
    await scene.crew.leave(another)


async def kill_valkey(scene: Scene) -> None:
    """Kill the store at any moment, and start it again with its file."""
    await scene.pause(0.3, 2)
    await scene.valkey.kill()
    await scene.pause(0, 1.5)
    await scene.valkey.start()


async def freeze_a_worker(scene: Scene) -> None:
    """Have a worker stand still until others have its partitions, then go on in the middle of what it did."""
    worker = await scene.crew.someone_at_work(scene.random)
    await scene.pause(0, 1)
    worker.freeze()
    await scene.crew.until(lambda: worker not in scene.crew.owners().values(), "others to take its partitions over")
    await scene.pause(0, 1)
    worker.thaw()
    await scene.crew.settled()


async def repeat(fault: Callable[[Scene], Awaitable[None]], scene: Scene, times: int) -> None:
    """Have it happen again and again."""
    for _ in range(times * TIMES):
        await fault(scene)


async def test_a_worker_is_killed_and_another_takes_its_place(scene: Scene) -> None:
    async with scene.under_load(2):
        await repeat(kill_a_worker, scene, 4)
        await scene.crew.settled()


async def test_a_second_worker_joins_and_leaves(scene: Scene) -> None:
    async with scene.under_load(1):
        await repeat(join_and_leave, scene, 2)
        await scene.crew.settled()


async def test_valkey_is_killed_and_comes_back_with_its_file(scene: Scene) -> None:
    async with scene.under_load(2):
        await repeat(kill_valkey, scene, 4)
        await scene.pause(1, 2)


@pytest.mark.kafka  # the embedded broker lets pass what was on its way
async def test_a_worker_that_stood_still_is_refused(scene: Scene) -> None:
    async with scene.under_load(2):
        await repeat(freeze_a_worker, scene, 2)


@pytest.mark.kafka  # the embedded broker forgets everything
async def test_workers_begin_before_the_broker_is_there(scene: Scene, broker: Broker) -> None:
    async with scene.load.running():
        await scene.pause(0.5, 1)
        await broker.kill()
        try:
            workers = await scene.crew.hire(2)
            await scene.crew.until(
                lambda: all("trying again for" in said(worker) for worker in workers), "them to wait"
            )
        finally:
            await broker.restart()
        await scene.crew.settled()
        await scene.pause(1, 2)
    await scene.verdict()


def said(worker: WorkerProcess) -> str:
    """Return all that it said."""
    return worker.log.read_text(errors="replace") if worker.log.exists() else ""


async def test_all_of_it_at_once(scene: Scene) -> None:
    async with scene.under_load(2):
        async with asyncio.TaskGroup() as faults:
            faults.create_task(repeat(kill_valkey, scene, 4))
            faults.create_task(repeat(workers_come_and_go, scene, 1))
        await scene.crew.settled()


async def workers_come_and_go(scene: Scene) -> None:
    await kill_a_worker(scene)
    await join_and_leave(scene)
    await kill_a_worker(scene)
