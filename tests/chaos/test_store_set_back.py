"""A store that lost what it had acknowledged is refused, loudly; the documented override gives each change once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from streams.embedded import EmbeddedValkey
from tests.chaos.scene import TIMES
from tests.chaos.store_scene import ask, cut_off, remove_data, replicate, store_scene

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.scene import Scene
    from tests.integration.conftest import Broker

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(300 * TIMES)]

LOST = re.compile(
    r"^partition \d+: \S+ holds changes up to commit \d+, the store knows only \d+: it lost what it had "
    r"acknowledged, .* or start with --accept-rollback"
)
EMPTY = re.compile(r"^partition \d+: the store has no state of app .* or start with --from-scratch")


async def refused(scene: Scene, words: re.Pattern[str]) -> None:
    """See all workers end by themselves, and say why."""
    for worker in scene.crew.there:
        line = await scene.crew.refusal(worker)
        assert words.search(line), line


async def test_an_append_only_file_that_lost_its_end_is_refused_and_can_be_accepted(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    async with EmbeddedValkey() as valkey, store_scene(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        scene = here.scene
        async with scene.under_load(2):
            await scene.pause(2, 4)
            await valkey.kill()
            assert cut_off(valkey, 0.2) > 100_000
            await valkey.start()
            await refused(scene, LOST)
            await scene.crew.hire(2, "--accept-rollback")
            await scene.crew.settled()
            await scene.pause(1, 2)


@pytest.mark.long
async def test_an_empty_store_is_refused_and_from_scratch_says_all_again(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    """Everything is said again, with the ids that it had: so what comes from then on is whole by itself."""
    async with EmbeddedValkey() as valkey, store_scene(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        scene = here.scene
        async with scene.under_load(2):
            await scene.pause(1, 2)
            await valkey.kill()
            remove_data(valkey)
            await valkey.start()
            await refused(scene, EMPTY)
            await scene.crew.hire(1)
            await refused(scene, EMPTY)
            await scene.changes.catch_up()
            before = scene.changes.records
            scene.changes.records = {partition: [] for partition in before}
            await scene.crew.hire(2, "--from-scratch")
            await scene.crew.settled()
            await scene.pause(1, 2)
        ids = [
            {dict(record.headers)["ce_id"] for some in log.values() for record in some}
            for log in (before, scene.changes.records)
        ]
        assert ids[0]
        assert ids[0] <= ids[1]


@pytest.mark.long
async def test_a_failover_to_a_replica_that_lacks_commits_is_refused_and_can_be_accepted(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    async with (
        EmbeddedValkey() as master,
        EmbeddedValkey() as replica,
        store_scene(broker, master, topic_prefix, app_id, tmp_path) as here,
    ):
        scene = here.scene
        async with scene.under_load(2):
            await replicate(replica, master)
            await scene.pause(1, 2)
            await ask(replica, "REPLICAOF", "NO", "ONE")  # it is cut off, and nobody sees it
            await scene.pause(1, 2)
            await master.kill()
            here.turn_to(replica)
            await refused(scene, LOST)
            await scene.crew.hire(2, "--accept-rollback")
            await scene.crew.settled()
            await scene.pause(1, 2)


async def test_a_failover_to_a_replica_that_has_all_goes_on(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    """SEGUE_REDIS_REPLICAS=1: nothing is public that a replica has not. After a kill, nobody has to do anything."""
    async with (
        EmbeddedValkey() as master,
        EmbeddedValkey() as replica,
        EmbeddedValkey() as third,
    ):
        await replicate(replica, master)
        async with store_scene(broker, master, topic_prefix, app_id, tmp_path, redis_replicas=1) as here:
            scene = here.scene
            async with scene.under_load(2):
                await scene.pause(1, 3)
                await master.kill()
                await ask(replica, "REPLICAOF", "NO", "ONE")
                here.turn_to(replica)
                await scene.pause(1, 2)
                await replicate(third, replica)  # until then no commit counts
                await scene.pause(1, 2)
