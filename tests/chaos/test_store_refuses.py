"""A store that refuses to write, or to answer, is waited out: nothing lost, nothing twice, and the worker says why."""

from __future__ import annotations

import asyncio
import contextlib
import re
import resource
from typing import TYPE_CHECKING

import httpx
import pytest
from redis.asyncio import Redis

from streams.child import free_port
from streams.embedded import EmbeddedValkey
from tests.chaos.scene import TIMES
from tests.chaos.store_scene import ask, store_scene, until_so

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from tests.chaos.scene import Scene
    from tests.chaos.store_scene import StoreScene
    from tests.integration.conftest import Broker

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(300 * TIMES)]


class OnSmallDisk(EmbeddedValkey):
    """A server whose files can be kept from growing, as on a full disk."""

    def command(self) -> Sequence[str | Path]:
        # a write past the limit is then an error, as ENOSPC is, in place of a signal
        return ["/bin/sh", "-c", 'trap "" XFSZ; exec "$@"', "sh", *super().command()]

    def fill(self) -> None:
        """Let no file grow any more."""
        [file] = (self.folder / "appendonlydir").glob("*.incr.aof")
        self._limit(file.stat().st_size)

    def free(self) -> None:
        """Let them grow again."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        _, most = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, most))


@contextlib.asynccontextmanager
async def at_work(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, folder: Path
) -> AsyncIterator[StoreScene]:
    """Have one worker under load, with a port that says how it is; in the end, the verdict."""
    async with (
        store_scene(broker, valkey, topic_prefix, app_id, folder, worker_port=free_port()) as here,
        here.scene.under_load(1),
    ):
        await here.scene.pause(1, 2)
        yield here
        await until_so(lambda: is_ready(here.scene), "the worker to be ready again")
        await here.scene.pause(1, 2)


async def readiness(scene: Scene) -> tuple[int, str]:
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{scene.settings.worker_port}/readyz")
        return answer.status_code, answer.text


async def is_ready(scene: Scene) -> bool:
    return (await readiness(scene))[0] == 200


async def says(scene: Scene, on_readyz: str, in_log: str) -> None:
    """Wait until the worker says on /readyz that it waits, and in its log for what."""
    [worker] = scene.crew.there

    async def said() -> bool:
        status, text = await readiness(scene)
        return status == 503 and re.search(on_readyz, text) is not None

    async def logged() -> bool:
        return re.search(in_log, worker.log.read_text()) is not None

    await until_so(said, f"/readyz to say {on_readyz}")
    await until_so(logged, f"{worker.log} to say {in_log}")


async def test_a_store_at_its_memory_limit_is_waited_for(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    async with EmbeddedValkey() as valkey, at_work(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        await ask(valkey, "CONFIG", "SET", "maxmemory", "1mb")  # it has more; noeviction is its policy
        await says(here.scene, "raise its maxmemory", "raise its maxmemory")
        await here.scene.pause(1, 2)
        await ask(valkey, "CONFIG", "SET", "maxmemory", 0)


@pytest.mark.long
async def test_a_store_whose_disk_is_full_is_waited_for(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    """It refuses each write with MISCONF where it syncs each second."""
    valkey = OnSmallDisk(appendfsync="everysec")
    async with valkey, at_work(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        valkey.fill()
        await says(here.scene, "free its disk|was not synced", "free its disk|was not synced")
        await here.scene.pause(1, 2)
        valkey.free()


@pytest.mark.long
async def test_a_store_that_its_full_disk_ends_is_waited_for(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    """A server that syncs before every reply ends itself where it cannot, and comes back when there is room."""
    valkey = OnSmallDisk()
    async with valkey, at_work(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        valkey.fill()
        await says(here.scene, "Redis does not answer", "Error 111 .*; trying again|closed by server.*; trying again")
        await here.scene.pause(1, 2)
        await valkey.kill()
        await valkey.start()


class SlowToLoad(EmbeddedValkey):
    """Takes some seconds to read its file when it is started again; every 1,024 commands it looks who asks."""

    delay_us = 0

    def command(self) -> Sequence[str | Path]:
        return [*super().command(), "--key-load-delay", str(self.delay_us)]

    async def fill(self) -> None:
        """Give it thousands of commands to read."""
        async with Redis.from_url(self.url) as client, client.pipeline(transaction=False) as pipe:
            for number in range(8_000):
                pipe.set(f"other:{number}", "x")
            await pipe.execute()


@pytest.mark.long
async def test_a_store_that_reads_its_files_is_waited_for(
    broker: Broker, topic_prefix: str, app_id: str, tmp_path: Path
) -> None:
    async with SlowToLoad() as valkey, at_work(broker, valkey, topic_prefix, app_id, tmp_path) as here:
        await valkey.fill()
        await valkey.kill()
        valkey.delay_us = 500
        async with asyncio.TaskGroup() as both:
            both.create_task(valkey.start())
            await says(here.scene, "Redis does not answer", "loading the dataset in memory.; trying again")
