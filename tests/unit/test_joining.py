"""A worker that its group gives nothing ends, unless that is the broker's or nobody's fault."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from rules.errors import ServiceError
from streams.joining import watch_joining

STALL_S = 120.0


class Days:
    """A clock that each look moves on by a second, and who is asked."""

    def __init__(self) -> None:
        self.seconds = itertools.count()
        self.asked = 0
        self.joined = self.away = False

    async def ask(self) -> str:
        self.asked += 1
        return "it does not answer" if self.away else ""

    async def watch(self) -> None:
        await watch_joining(
            lambda: self.joined,
            self.ask,
            group="segue",
            stall_s=STALL_S,
            now_s=lambda: float(next(self.seconds)),
            look_s=0,
        )


async def looks(days: Days, count: int) -> None:
    """Let it look so often; what it ends with is raised."""
    watching = asyncio.create_task(days.watch())
    for _ in range(3 * count):
        await asyncio.sleep(0)
    if watching.done():
        await watching
    watching.cancel()


async def test_one_that_never_gets_its_share_ends() -> None:
    days = Days()
    with pytest.raises(ServiceError, match=r"'segue' has given this worker no share for 1[2-5][0-9] s"):
        await looks(days, 1_000)
    assert days.asked == 4


async def test_one_that_has_joined_does_not() -> None:
    days = Days()
    days.joined = True
    await looks(days, 1_000)
    assert days.asked == 0


async def test_one_whose_broker_is_away_does_not() -> None:
    days = Days()
    days.away = True
    await looks(days, 1_000)
    assert days.asked > 10
