"""When timers may fire, and when a tick is worth sending."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from rules.features import NEVER
from streams import sweeper as module
from streams.clocks import LiveClock, StreamClock
from streams.sweeper import PAUSE_S, Sweeper

LIVE = LiveClock(grace_ms=1_000, clock_skew_ms=100, max_future_ms=0)


class Bench:
    """A sweeper whose local clock stands at `now_s`, and whose ticks are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock: Any = LIVE, wall_ms: int = 0) -> None:
        self.now_s = 1_000.0
        self.ticks = 0
        self.least: list[tuple[str, int]] = []
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        parts: Any = SimpleNamespace(
            clock=clock,
            now_ms=lambda: wall_ms,
            topics=SimpleNamespace(events="events"),
            settings=SimpleNamespace(publish_deadline=1_000),
            producer=SimpleNamespace(send_and_wait=self.send),
            store=SimpleNamespace(due=self.due),
        )
        self.sweeper = Sweeper(parts, 0)

    async def send(self, *_: object, **__: object) -> None:
        self.ticks += 1

    async def due(self, *_: object) -> list[tuple[str, int]]:
        return self.least

    async def patience(self) -> float:
        wait_s = self.sweeper.patience_s()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return wait_s


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_nothing_fires_at_the_very_instant_that_is_certain(bench: Bench) -> None:
    bench.sweeper.moved([5_000])
    bench.sweeper.read(6_100)
    assert bench.sweeper.turn() is None
    bench.sweeper.read(6_101)
    assert bench.sweeper.turn() == 5_001


def test_broker_times_that_go_back_do_not_count(bench: Bench) -> None:
    bench.sweeper.moved([5_000])
    bench.sweeper.read(6_101)
    bench.sweeper.read(2_000)
    assert bench.sweeper.turn() == 5_001


def test_at_most_twenty_sweeps_a_second_unless_one_did_not_get_through(bench: Bench) -> None:
    bench.sweeper.moved([5_000])
    bench.sweeper.read(9_000)
    assert bench.sweeper.turn() == 7_900
    assert bench.sweeper.turn() is None
    bench.sweeper.again()
    assert bench.sweeper.turn() == 7_900
    bench.now_s += PAUSE_S
    assert bench.sweeper.turn() == 7_900


async def test_after_a_sweep_the_store_says_what_is_next(bench: Bench) -> None:
    bench.sweeper.moved([5_000])
    bench.least = [("c", 8_000)]
    await bench.sweeper.look()
    bench.sweeper.read(9_000)
    assert bench.sweeper.turn() is None
    bench.least = []
    await bench.sweeper.look()
    assert await bench.patience() >= 3_600


async def test_with_nothing_due_there_are_no_ticks(bench: Bench) -> None:
    bench.sweeper.read(9_000)
    assert await bench.patience() >= 3_600
    assert bench.ticks == 0


async def test_a_tick_is_sent_when_it_would_make_what_is_due_certain(bench: Bench) -> None:
    bench.sweeper.read(9_000)
    bench.sweeper.moved([10_000])
    assert await bench.patience() == pytest.approx(10.0 + 1.1 + 0.001 - 9.0)
    assert bench.ticks == 0
    bench.now_s += 2.101
    assert await bench.patience() == PAUSE_S
    assert bench.ticks == 1


async def test_at_most_twenty_ticks_a_second(bench: Bench) -> None:
    bench.sweeper.read(9_000)
    bench.sweeper.moved([1_000 + 9_000])
    bench.now_s += 5
    for step in range(100):
        bench.now_s += 0.01
        await bench.patience()
        assert bench.ticks <= 1 + step / 5
    assert bench.ticks >= 18


async def test_before_the_first_record_the_local_clock_guesses(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, wall_ms=50_000)
    bench.sweeper.moved([50_000])
    assert await bench.patience() == pytest.approx(1.101)
    bench.sweeper.moved([40_000])
    await bench.patience()
    assert bench.ticks == 1


async def test_a_local_clock_that_is_ahead_does_not_make_ticks_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, wall_ms=10**12)
    bench.sweeper.moved([50_000])
    await bench.patience()
    assert bench.ticks == 1
    bench.sweeper.read(10_000)  # the tick, read back: the broker is far behind
    assert await bench.patience() == pytest.approx(40.0 + 1.101)


async def test_a_replay_sends_no_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, clock=StreamClock(lag_ms=300))
    bench.sweeper.moved([5_000])
    bench.sweeper.newest_event_ms = 5_300
    bench.sweeper.read(10**9)
    assert bench.sweeper.turn() is None
    assert await bench.patience() >= 3_600
    assert bench.ticks == 0
    bench.sweeper.newest_event_ms = 5_301
    assert bench.sweeper.turn() == 5_001


def test_what_never_comes_due_is_no_reason_to_look(bench: Bench) -> None:
    bench.sweeper.moved([None, NEVER])
    bench.sweeper.read(10**15)
    assert bench.sweeper.turn() is None
