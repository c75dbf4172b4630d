"""A worker's process is killed with SIGKILL at each place where it waits; another one does the rest, once."""

from __future__ import annotations

import asyncio
import pickle
import signal
import sys
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.chaos.awaits import ROOT, SENDING
from tests.chaos.crew import WorkerProcess
from tests.chaos.scene import TIMES, environment
from tests.chaos.stage import make_stage
from tests.chaos.stand_in import StandIn, task_factory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.chaos.hand import Hand
    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

EVERY = TIMES > 1
KILLS = 24
"""How many places CI draws from all."""

DEATHS = 2
"""How many workers of a group die in CI."""

LATEST = 400
"""The last place at which one dies: it has taken its partitions over by then, and committed many times."""

SERVERS = 3
"""So many processes whose children are killed run side by side."""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3_600 if EVERY else 300)]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sweeps follow one another without a pause: a hand that rests is through."""
    monkeypatch.setattr("streams.sweeper.PAUSE_S", 0.0)


async def test_killed_at_each_place(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, tmp_path: Path, seed: str
) -> None:
    print(f"SEGUE_CHAOS_SEED={seed}")  # noqa: T201 - pytest shows it
    async with make_stage(broker, valkey.url, f"{topic_prefix}one.", f"{app_id}-one", 1) as stage:
        nths = list(range(1, await places(stage.hand) + 1))
    if not EVERY:
        nths = sorted(Random(seed).sample(nths, KILLS))
    async with make_stage(broker, valkey.url, topic_prefix, app_id, len(nths)) as stage:
        (file := tmp_path / "hand").write_bytes(pickle.dumps(stage.hand))
        said = await killed(file, nths)
        assert set(said.values()) <= {"killed", "through"}
        # how often a client waits for the broker differs a little, so the last few may get through
        assert all(what == "killed" for partition, what in said.items() if partition < len(nths) - 6)
        async with stage.hand.parts() as parts, asyncio.TaskGroup() as rest:
            for partition in said:
                rest.create_task(stage.hand.work(parts, partition))
        assert await stage.verdict() == []


class DyingWorker(WorkerProcess):
    """A `segue worker` that kills itself where its partitions' tasks wait for the nth time."""

    def __init__(self, settings: Mapping[str, str], log: Path, nth: int) -> None:
        super().__init__(settings, log)
        self._nth = nth

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "-m", "tests.chaos.dying_worker", str(self._nth), "worker"]

    def environment(self) -> Mapping[str, str]:
        return {**super().environment(), "PYTHONPATH": str(ROOT)}


@(pytest.mark.chaos if EVERY else pytest.mark.kafka)
async def test_workers_of_a_group_are_killed_at_any_place(scene: Scene) -> None:
    """One worker lives, beside it one after another dies, under load: in a take-over, a commit, a publication."""
    async with scene.under_load(1):
        for number in range(DEATHS * TIMES):
            nth = scene.random.randrange(1, LATEST)
            worker = DyingWorker(environment(scene.settings), scene.crew.logs / f"dying-{number}.log", nth)
            try:
                await worker.start()
                await scene.crew.until(lambda dying=worker: not dying.runs, f"a worker to die at its wait {nth}")  # type: ignore[misc]
                assert worker.status == -signal.SIGKILL, f"its log is {worker.log}"
            finally:
                worker.close()
        await scene.crew.settled()


async def places(hand: Hand) -> int:
    """Return how often a worker waits that nobody kills."""
    asyncio.get_running_loop().set_task_factory(task_factory)
    worker = StandIn()
    await worker.run(hand.once(0))
    return sum(awaits[0] != SENDING for awaits in worker.waits)


async def killed(file: Path, nths: Sequence[int]) -> dict[int, str]:
    """Have a child for each of these kill itself where it waits for the nth time; return what became of them."""
    lines = [b"%d %d\n" % (partition, nth) for partition, nth in enumerate(nths)]
    outputs = await asyncio.gather(*(_serve(file, b"".join(lines[server::SERVERS])) for server in range(SERVERS)))
    said = [line.partition(" ") for output in outputs for line in output.splitlines()]
    assert len(said) == len(nths)
    return {int(partition): what for partition, _, what in said}


async def _serve(file: Path, lines: bytes) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.dying_hand",
        file,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(lines)
    assert process.returncode == 0
    return output.decode()
