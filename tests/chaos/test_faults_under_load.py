"""Workers and store are killed in mid-load; each change is said once all the same, and none that is not true."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.chaos.scene import Scene

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(0)]


async def test_undisturbed(scene: Scene) -> None:
    await scene.crew.hire()
    async with scene.load.running():
        await scene.crew.settled()
        await scene.pause(4, 6)
    await scene.verdict()


async def test_a_worker_is_killed_and_comes_back(scene: Scene) -> None:
    await scene.crew.hire(2)
    async with scene.load.running():
        for _ in range(3):
            await scene.crew.settled()
            await scene.pause(0.5, 2)
            await scene.random.choice(scene.crew.there).kill()
            await scene.pause(0, 1)
            await scene.crew.hire()
        await scene.crew.settled()
        await scene.pause(1, 2)
    await scene.verdict()


async def test_a_second_worker_joins_and_leaves(scene: Scene) -> None:
    await scene.crew.hire()
    async with scene.load.running():
        await scene.crew.settled()
        for _ in range(2):
            await scene.pause(1, 2)
            [second] = await scene.crew.hire()
            await scene.crew.settled()
            await scene.pause(1, 2)
            await scene.crew.leave(second)
            await scene.crew.settled()
        await scene.pause(0.5, 1)
    await scene.verdict()


async def test_valkey_is_killed_and_comes_back_with_its_file(scene: Scene) -> None:
    await scene.crew.hire(2)
    async with scene.load.running():
        await scene.crew.settled()
        for _ in range(3):
            await scene.pause(0.5, 2)
            await scene.valkey.kill()
            await scene.pause(0, 1.5)
            await scene.valkey.start()
        await scene.pause(1, 2)
    await scene.verdict()
