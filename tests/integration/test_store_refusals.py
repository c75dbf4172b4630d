"""What a worker refuses of its store: one that may forget, and what another version of segue wrote."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from rules.errors import ServiceError, UnknownFormat
from state.redis import RedisStore
from streams.embedded import EmbeddedValkey
from streams.redis_access import durability_of
from streams.settings import load_settings
from tests.chaos.crew import WorkerProcess
from tests.chaos.store_scene import ask
from tests.conformance.store import with_content
from tests.integration.pipeline import SEEN, Pipeline, make_pipeline, track, until
from tests.integration.test_worker import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.conftest import Broker

pytestmark = pytest.mark.embedded  # the broker has no say in it

FORGETFUL = [
    pytest.param({"appendonly": "no"}, "set appendonly yes and appendfsync always", id="no file"),
    pytest.param({"appendfsync": "no"}, "set appendfsync always", id="never synced"),
    pytest.param(
        {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"}, "set maxmemory-policy noeviction", id="evicts"
    ),
]


@pytest_asyncio.fixture
async def own() -> AsyncIterator[EmbeddedValkey]:
    """Yield a server that the test may reconfigure."""
    async with EmbeddedValkey() as valkey:
        yield valkey


async def configure(valkey: EmbeddedValkey, options: dict[str, str]) -> None:
    for name, value in options.items():
        await ask(valkey, "CONFIG", "SET", name, value)


async def test_a_worker_ends_with_what_is_to_be_done(
    broker: Broker, own: EmbeddedValkey, app_id: str, tmp_path: Path
) -> None:
    await configure(own, {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru", "appendonly": "no"})
    environment = {"SEGUE_REDIS": own.url, "SEGUE_BROKER": broker.address, "SEGUE_APP_ID": app_id}
    worker = WorkerProcess(environment, tmp_path / "worker.log")
    try:
        await worker.start()
        await until(lambda: not worker.runs)
    finally:
        worker.close()
    last = worker.log.read_text().splitlines()[-1]
    for part in (
        "may lose what it acknowledged",
        "set maxmemory-policy noeviction",
        "set appendonly yes and appendfsync always",
        "SEGUE_REDIS_DURABLE=false goes on all the same",
    ):
        assert part in last


@pytest.mark.parametrize(("options", "remedy"), FORGETFUL)
async def test_one_that_may_forget_is_taken_where_the_setting_says_so(
    own: EmbeddedValkey, caplog: pytest.LogCaptureFixture, options: dict[str, str], remedy: str
) -> None:
    await configure(own, options)
    settings, _ = load_settings(environ={"SEGUE_REDIS": own.url, "SEGUE_REDIS_DURABLE": "false"})
    store = RedisStore(settings.redis, "segue", **durability_of(settings))
    try:
        with caplog.at_level(logging.WARNING):
            await store.start()
        await with_content(store)
    finally:
        await store.close()
    assert "may lose what it acknowledged" in caplog.text
    assert remedy in caplog.text


@pytest.mark.parametrize(("options", "remedy"), [FORGETFUL[0], FORGETFUL[2]])
async def test_a_user_who_may_not_ask_is_told_what_cannot_be_checked(
    own: EmbeddedValkey, caplog: pytest.LogCaptureFixture, options: dict[str, str], remedy: str
) -> None:
    """INFO says whether there is a file and whether keys are evicted; how the file is synced, CONFIG alone."""
    await ask(own, "ACL", "SETUSER", "worker", "on", ">word", "~*", "&*", "+@all", "-config")
    url = f"redis://worker:word@{own.address}/0"
    store = RedisStore(url, "segue")
    with caplog.at_level(logging.WARNING):
        await store.start()
    await store.close()
    assert "forbids CONFIG: how its append-only file is synced cannot be seen" in caplog.text
    await configure(own, options)
    store = RedisStore(url, "segue")
    try:
        with pytest.raises(ServiceError, match=remedy):
            await store.start()
    finally:
        await store.close()


async def made(broker: Broker, own: EmbeddedValkey, topic_prefix: str, app_id: str) -> Pipeline:
    store = RedisStore(own.url, app_id, patience_s=5)
    await store.start()
    return await make_pipeline(broker, topic_prefix, app_id, partitions=1, store=store)


async def test_a_profile_that_a_newer_version_wrote_ends_the_worker(
    broker: Broker, own: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    pipeline = await made(broker, own, topic_prefix, app_id)
    try:
        async with pipeline.worker() as worker:
            await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
        key = f"{app_id}:{{0}}:c:c1"
        before: bytes = await ask(own, "GET", key)
        await ask(own, "SET", key, b"\x63" + before[1:])
        ends = await pipeline.send([("c1", track("c1", 2))])
        with pytest.raises(UnknownFormat, match=r"of customer 'c1' has format 99; .*run the version that wrote it"):
            await run(pipeline)
        assert await pipeline.rejected() == [], "it is not the event's fault"
        await ask(own, "SET", key, before)
        async with pipeline.worker() as worker:
            await worker.applied(ends)
    finally:
        await pipeline.store.close()


@pytest.mark.parametrize("source", ['{"format":99,"segments":[]}', '{"segments":[{"key":"a","when":{"new":{}}}]}', "x"])
async def test_a_ruleset_that_another_version_applied_ends_the_worker_and_can_be_replaced(
    broker: Broker, own: EmbeddedValkey, topic_prefix: str, app_id: str, source: str
) -> None:
    pipeline = await made(broker, own, topic_prefix, app_id)
    try:
        await pipeline.store.activate("0123", source)
        text = r"cannot read the active ruleset 0123, number 1 .*Run that one, or `segue apply` definitions"
        with pytest.raises(UnknownFormat, match=text):
            await run(pipeline)
        await pipeline.store.activate(SEEN.version, SEEN.source)  # as `segue apply` does
        async with pipeline.worker() as worker:
            await worker.applied(await pipeline.send([("c1", track("c1", 1))]))
            old: Any = worker.parts.definitions
            await pipeline.store.activate("4567", source)
            with pytest.raises(UnknownFormat, match="ruleset 4567, number 3"):
                await old.refresh()
    finally:
        await pipeline.store.close()
