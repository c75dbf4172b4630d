"""What is ended has ended, whatever it makes of its cancellation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from streams import tasks

if TYPE_CHECKING:
    from collections.abc import Coroutine


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.01)


async def deaf(times: int) -> None:
    """Swallow so many cancellations, as aiokafka does while it closes."""
    for _ in range(times):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            continue
    await asyncio.Event().wait()


async def fails() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        raise ValueError


async def begun(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_cancelled_until_it_ends(times: int) -> None:
    task = await begun(deaf(times))
    await tasks.end(task)
    assert task.cancelled()


async def test_none_and_the_ended_are_passed_over() -> None:
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    await tasks.end(None, done)
    assert done.result() is None


async def test_what_it_failed_with_is_the_tasks_own() -> None:
    task = await begun(fails())
    await tasks.end(task)
    assert isinstance(task.exception(), ValueError)


async def test_no_task_outlives_it() -> None:
    task = await begun(deaf(3))
    ending = asyncio.create_task(tasks.end(task))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert task.cancelled()
