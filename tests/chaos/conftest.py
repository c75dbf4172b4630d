"""Services and a scene for each chaos test; CHAOS_SEED, CHAOS_TIMES and CHAOS_RATE are its settings."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest_asyncio

from tests.chaos.scene import make_scene
from tests.integration.conftest import app_id, broker, topic_prefix, valkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

__all__ = ["app_id", "broker", "scene", "topic_prefix", "valkey"]


@pytest_asyncio.fixture
async def scene(
    broker: Broker,
    valkey: EmbeddedValkey,
    topic_prefix: str,
    app_id: str,
    tmp_path: Path,
) -> AsyncIterator[Scene]:
    """Make an app of its own; prints the seed, which a failing test shows."""
    seed = os.environ.get("CHAOS_SEED") or secrets.token_hex(4)
    print(f"CHAOS_SEED={seed} broker {broker.kind} app {app_id} logs {tmp_path}")  # noqa: T201 - pytest shows it
    async with make_scene(broker, valkey, topic_prefix, app_id, tmp_path, seed) as made:
        yield made
