"""Services and a scene for each chaos test.

`SEGUE_CHAOS` says how many times as often as in CI each fault happens, `SEGUE_CHAOS_SEED` which ones, and
`SEGUE_CHAOS_RATE` how many events a second come (`tests/chaos/scene.py`).
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.chaos.scene import SEED, make_scene
from tests.integration.conftest import app_id, broker, topic_prefix, valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

__all__ = ["app_id", "broker", "scene", "seed", "topic_prefix", "valkey"]


@pytest.fixture
def seed() -> str:
    """Return what random things are drawn from."""
    return SEED or secrets.token_hex(4)


@pytest_asyncio.fixture
async def scene(
    broker: Broker,
    valkey: EmbeddedValkey,
    topic_prefix: str,
    app_id: str,
    tmp_path: Path,
    seed: str,
) -> AsyncIterator[Scene]:
    """Make an app of its own; prints the seed, which a failing test shows."""
    print(f"SEGUE_CHAOS_SEED={seed} broker {broker.kind} app {app_id} logs {tmp_path}")  # noqa: T201 - pytest shows it
    async with make_scene(broker, valkey, topic_prefix, app_id, tmp_path, seed) as made:
        yield made
