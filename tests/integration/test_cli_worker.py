"""`segue topics` and `segue worker` as processes, on either broker: how a deployment begins, works and stops."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import redis.asyncio
from aiokafka import AIOKafkaProducer

from tests.integration.pipeline import track
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

RULES = "segments: [{key: seen, when: {did: {event: Seen}}}]"


class Deployment:
    """Commands with the environment of one app."""

    def __init__(self, broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> None:
        self.topic = f"{topic_prefix}customer-events"
        self.broker = broker.address
        self.environment = os.environ | {
            "SEGUE_BROKER": broker.address,
            "SEGUE_REDIS": valkey.url,
            "SEGUE_TOPIC_PREFIX": topic_prefix,
            "SEGUE_APP_ID": app_id,
            "SEGUE_PARTITIONS": "2",
        }
        if broker.kind == "embedded":
            self.environment["SEGUE_ALLOW_CREATE_TIME"] = "true"

    async def start(self, *words: object) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from streams.cli import main; main()", *map(str, words), env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def segue(self, *words: object) -> tuple[int, str]:
        process = await self.start(*words)
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def send(self, value: bytes, key: str) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.broker) as producer:
            await producer.send_and_wait(self.topic, value, key=key.encode())


@pytest.fixture
def deployment(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> Deployment:
    return Deployment(broker, valkey, topic_prefix, app_id)


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    """Return the next line of output that has these words."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while words not in (line := (await process.stdout.readline()).decode()):
            assert line, f"it ended without saying {words!r}"
    return line


async def stopped(process: asyncio.subprocess.Process) -> int | None:
    process.terminate()
    async with asyncio.timeout(PATIENCE_S):
        await process.communicate()
    return process.returncode


async def view_of(url: str, key: str) -> Any:
    """Return the view, once it is there."""
    async with redis.asyncio.Redis.from_url(url, protocol=2) as client, asyncio.timeout(PATIENCE_S):
        while (view := await client.get(key)) is None:  # noqa: ASYNC110 - Redis has no event for it
            await asyncio.sleep(0.05)
    return json.loads(view)


async def test_a_deployment_begins_works_and_stops(
    deployment: Deployment, valkey: EmbeddedValkey, app_id: str, tmp_path: Path
) -> None:
    code, said = await deployment.segue("topics", "--check")
    assert (code, said.count("there is no such topic")) == (1, 7)
    assert (await deployment.segue("topics"))[1].count(": created") == 7
    assert await deployment.segue("topics") == (0, (await deployment.segue("topics", "--check"))[1])
    code, said = await deployment.segue("topics", "--partitions", 3)
    assert (code, "SEGUE_PARTITIONS says 3" in said) == (1, True)

    code, said = await deployment.segue("worker")
    assert (code, "--rules PATH" in said, "Traceback" in said) == (1, True, False)

    rules, others = tmp_path / "rules.yaml", tmp_path / "others.yaml"
    rules.write_text(RULES)
    others.write_text(RULES.replace("seen", "other"))
    worker = await deployment.start("worker", "--rules", rules)
    try:
        await line_with(worker, "taken over")
        await deployment.send(track("c1", 1), "c1")
        view = await view_of(valkey.url, f"{app_id}:customer:c1")
        assert [segment["key"] for segment in view["segments"]] == ["seen"]
    finally:
        assert await stopped(worker) == 0

    second = await deployment.start("worker", "--rules", others)
    try:
        assert "segue apply" in await line_with(second, "the active ruleset is")
    finally:
        assert await stopped(second) == 0

    third = await deployment.start("worker")  # with no rules of its own it runs the active ones
    try:
        await line_with(third, "taken over")
    finally:
        assert await stopped(third) == 0


async def test_a_worker_without_topics_says_how_they_are_made(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    code, said = await deployment.segue("worker", "--rules", tmp_path / "rules.yaml")
    assert code == 1
    assert "`segue topics` creates it" in said
    assert "Traceback" not in said
