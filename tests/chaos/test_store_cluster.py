"""Workers under load on a cluster whose slots move and whose masters die: each change is said once all the same."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

import pytest

from tests.chaos.scene import SEED, TIMES, make_scene
from tests.integration.redis_cluster import valkey_cluster

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(300 * TIMES)]


async def test_slots_move_and_a_master_dies_under_load(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    """With SEGUE_REDIS_REPLICAS=1 nothing that is public is lost with a master, so nobody has to do anything."""
    seed = SEED or secrets.token_hex(4)
    print(f"SEGUE_CHAOS_SEED={seed} broker {broker.kind} app {app_id} logs {tmp_path}")  # noqa: T201 - pytest shows it
    async with (
        valkey_cluster(replicas=True) as cluster,
        make_scene(
            broker, cast("EmbeddedValkey", cluster), topic_prefix, app_id, tmp_path, seed, redis_replicas=1
        ) as scene,
    ):
        heads = [f"{app_id}:{{{partition}}}:head" for partition in range(scene.settings.partitions)]
        async with scene.under_load(2):
            for _ in range(TIMES):
                for key in scene.random.sample(heads, 2):
                    await scene.pause(0, 1)
                    source, target, slot = await cluster.begin_to_move(key)
                    await cluster.move_keys(source, target, slot, most=5)
                    await scene.pause(0, 1)
                    await cluster.end_move(source, target, slot)
                key = scene.random.choice(heads)
                dead = await cluster.master_of(key)
                await dead.kill()
                await cluster.replaced(key, dead)
                await dead.start()
                await scene.pause(1, 2)
