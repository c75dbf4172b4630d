"""A worker as a process: what its own port answers, what it logs, and how it ends where it does not get on."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from streams.pulse import EXIT_CODE
from tests.integration.pipeline import track
from tests.integration.test_cli_worker import RULES, Deployment
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker


@pytest.fixture
async def deployment(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, tmp_path: Path
) -> Deployment:
    deployment = Deployment(broker, valkey, topic_prefix, app_id)
    (tmp_path / "rules.yaml").write_text(RULES)
    deployment.environment["SEGUE_RULES"] = str(tmp_path / "rules.yaml")
    assert (await deployment.segue("topics"))[0] == 0
    return deployment


async def logged(process: asyncio.subprocess.Process, words: str) -> dict[str, Any]:
    """Return the next line of the log that has these words; each is one object."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            line: dict[str, Any] = json.loads(await process.stdout.readline())
            assert line.keys() >= {"ts", "level", "logger", "message"}
            if words in line["message"]:
                return line


async def answered(client: httpx.AsyncClient, path: str, status: int) -> dict[str, Any]:
    """Ask until the answer has this status; return its content."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await client.get(path)).status_code != status:  # noqa: ASYNC110 - it is another process
            await asyncio.sleep(0.05)
    content: dict[str, Any] = answer.json()
    return content


async def measured(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Return (name, values of its labels…) -> value of every sample."""
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_health_and_measures_are_at_its_own_port(deployment: Deployment, valkey: EmbeddedValkey) -> None:
    deployment.environment |= {"SEGUE_WORKER_PORT": "0", "SEGUE_LOG_FORMAT": "json"}
    worker = await deployment.start("worker")
    url = (await logged(worker, "health and metrics are at"))["message"].rpartition(" ")[2]
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert await answered(client, "/readyz", 200) == {"success": True}
        for number in (1, 2, 2):
            await deployment.send(track("mrs-smith", number), "mrs-smith")
        await deployment.send(b"{a-broken-body", "mrs-smith")
        async with asyncio.timeout(PATIENCE_S):
            rejected = ("segue_events_rejected_total", "not_json")
            while rejected not in (found := await measured(client)):  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.05)
        assert found["segue_events_applied_total",] == 2
        assert found["segue_events_duplicate_total",] == 1
        assert found[rejected] == 1
        assert found["segue_changes_total", "entered"] == 1
        assert found["segue_partition_held", "0"] == found["segue_partition_held", "1"] == 1
        assert found["segue_commit_seconds_count",] >= 1
        assert found["segue_service_up", "redis"] == 1
        labels = {value for name in found for value in name[1:]}
        assert not {"mrs-smith", "seen"} & labels

        assert (await client.post("/metrics")).status_code == 405
        assert (await client.get("/nowhere")).json()["code"] == "not_found"

        await valkey.kill()
        try:
            answer = await answered(client, "/readyz", 503)
            assert (answer["code"], answer["errors"][0]["path"]) == ("not_ready", "redis")
            assert (await measured(client))["segue_service_up", "redis"] == 0
            assert (await client.get("/healthz")).status_code == 200, "a new process would find it away, too"
        finally:
            await valkey.restart()
        await answered(client, "/readyz", 200)

    worker.terminate()
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await worker.communicate()
    assert worker.returncode == 0
    assert all(json.loads(line) for line in output.splitlines())
    assert b"mrs-smith" not in output
    assert b"a-broken-body" not in output


@pytest.mark.embedded
async def test_a_port_that_is_taken_is_said(deployment: Deployment) -> None:
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0) as taken:
        deployment.environment["SEGUE_WORKER_PORT"] = str(taken.sockets[0].getsockname()[1])
        code, said = await deployment.segue("worker")
    assert code == 1
    assert said.splitlines()[-1].endswith("set SEGUE_WORKER_HOST and SEGUE_WORKER_PORT")


async def end_of(deployment: Deployment, how: str, app_id: str) -> tuple[int | None, str]:
    """Run a worker that gets stuck; return its exit code and the last line it said."""
    more = {"SEGUE_APP_ID": f"{app_id}-{how}", "SEGUE_LOG_FORMAT": "text" if how == "await" else "json"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.stuck_worker", how, "worker",
        env=deployment.environment | more,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    last = said.decode().splitlines()[-1]
    return process.returncode, last if how == "await" else json.loads(last)["message"]


@pytest.mark.embedded
async def test_one_that_is_stuck_ends_with_a_last_line_however_stuck_it_is(deployment: Deployment, app_id: str) -> None:
    deployment.environment |= {"SEGUE_STALL_DEADLINE": "4s", "SEGUE_REVOKE_DEADLINE": "1s"}
    await deployment.send(track("c1", 1), "c1")
    waiting, deaf, loop = await asyncio.gather(*[end_of(deployment, how, app_id) for how in ("await", "deaf", "loop")])
    assert waiting[0] == 1
    assert waiting[1].startswith(f"{deployment.topic}/")
    assert "nothing was done for" in waiting[1]
    assert "1 before the end" in waiting[1]
    assert deaf[0] == EXIT_CODE
    assert deaf[1].endswith("(and it did not come to its end within 2 s)")
    assert "nothing was done for" in deaf[1]
    assert loop[0] == EXIT_CODE
    assert "the event loop stood still for 5 s" in loop[1]
