"""The round over all partitions: each hold has a watch of its own, and only what the services said ends a worker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from streams import watchdog as watching
from streams.counters import Counters
from streams.inquiry import Found
from streams.signs import Signs
from streams.watch import Stall
from streams.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable


class World:
    """One partition whose tenure hangs, services that answer as told, and seconds that pass at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 0.0
        self.answers: dict[int, Found] | Exception = {0: Found(7, 9, waits=True)}
        self.failures: list[Exception] = []
        self.holds = {0: self.hold()}
        parts: Any = SimpleNamespace(
            settings=SimpleNamespace(stall_deadline=8_000),
            topics=SimpleNamespace(events="events"),
            counters=Counters(),
            signs=Signs(),
            now_ms=lambda: int(self.now_s * 1000),
        )
        self.dog = Watchdog(parts, lambda: self.holds, lambda _: None, self.failures.append)
        monkeypatch.setattr(self.dog, "now_s", lambda: self.now_s)
        monkeypatch.setattr(watching, "LOOK_S", 0)
        monkeypatch.setattr(watching, "ask", self.ask)

    def hold(self) -> Any:
        tenure = SimpleNamespace(applied=7, idle=False, resting=False, oldest_ms=1)
        return SimpleNamespace(
            partition=0, tenure=tenure, failures=0, pausing=False, whereabouts="tenure.py:1 run", last_failure=""
        )

    async def ask(self, parts: object, partitions: Iterable[int]) -> dict[int, Found]:
        assert list(partitions) == [0]
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    async def passes(self, seconds: int) -> None:
        """Let the watchdog look once for each second, until it has ended."""
        running = asyncio.create_task(self.dog.run())
        for _ in range(seconds):
            self.now_s += 1
            looks = self.dog.looks
            while self.dog.looks == looks and not running.done():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def test_one_that_hangs_is_told_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    await world.passes(40)
    assert [type(failure) for failure in world.failures] == [Stall]
    assert world.dog.looks < 20
    assert world.dog.stalled() is not None
    assert "partition 0 waits at tenure.py:1 run" in caplog.text


async def test_a_partition_that_comes_back_is_another_one(world: World) -> None:
    """Where a rebalance gives the same partition back, at the same offset, it has stood still for no time."""
    for _ in range(10):
        await world.passes(6)
        world.holds = {0: world.hold()}
    assert world.failures == []
    world.holds = {}
    await world.passes(40)
    assert (world.failures, world.dog.watched) == ([], {})


@pytest.mark.parametrize("answers", [{}, ValueError("a defect")], ids=["away", "an error nobody thought of"])
async def test_without_an_answer_nobody_ends(world: World, answers: dict[int, Found] | Exception) -> None:
    world.answers = answers
    await world.passes(100)
    assert world.failures == []
    world.answers = {0: Found(7, 9, waits=True)}
    await world.passes(40)
    assert len(world.failures) == 1
