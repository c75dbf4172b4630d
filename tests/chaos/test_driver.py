"""A short run of what `make chaos` does: faults of every kind that the broker allows, from a seed."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.chaos.driver.plan import KINDS, plan
from tests.chaos.driver.run import SLOTS, Wanted, run
from tests.chaos.driver.wired_kafka import WiredKafka
from tests.chaos.scene import TIMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.chaos.scene import Scene

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180 + 300 * TIMES)]

NAMES = [kind.name for kind in KINDS]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def broker() -> AsyncIterator[WiredKafka]:
    """Run a broker with wires in place of the session's."""
    async with WiredKafka(SLOTS) as running:
        yield running


def test_a_seed_says_all() -> None:
    assert list(islice(plan("7", 3, NAMES), 50)) == list(islice(plan("7", 3, NAMES), 50))
    assert list(islice(plan("7", 3, NAMES), 50)) != list(islice(plan("8", 3, NAMES), 50))
    assert {step.kind.name for step in islice(plan("7", 3, NAMES), 2_000)} == set(NAMES)


@pytest.mark.kafka
async def test_whatever_dies(scene: Scene, broker: WiredKafka, seed: str, tmp_path: Path) -> None:
    scene.load.rate = 120
    await run(scene, broker, tmp_path, Wanted(seed, kills=2 * TIMES, calm_every=5, brief=TIMES == 1))
