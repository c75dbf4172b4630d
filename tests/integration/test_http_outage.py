"""Ingest while the broker or Redis is away: 503 and nothing lost, or nothing to notice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from streams.http.serving import serving
from tests.integration.http_server import http_server
from tests.integration.pipeline import make_pipeline
from tests.patience import PATIENCE_S
from tests.unit.http_fakes import is_flat

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.kafka import ApacheKafka


SEGUE = (sys.executable, "-c", "from streams.cli import main; main()")


def track(number: int) -> dict[str, str]:
    return {"type": "track", "userId": "c1", "event": "Seen", "messageId": f"m-{number}"}


async def sent(client: httpx.AsyncClient, number: int) -> None:
    """Send an event as an SDK does: again and again, until it is taken."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await client.post("/v1/track", json=track(number))).status_code != 200:
            is_flat(answer, 503, "broker_away")
            assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.kafka
async def test_what_was_answered_200_is_there_after_the_broker_was_killed(
    broker: ApacheKafka, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, http_ack_timeout="1s") as http:
        await sent(http.client, 1)
        await broker.kill()
        is_flat(await http.client.post("/v1/track", json=track(2)), 503, "broker_away")
        is_flat(await http.client.get("/readyz"), 503, "not_ready")
        assert (await http.client.get("/healthz")).status_code == 200
        waiting = asyncio.gather(*[sent(http.client, number) for number in range(2, 12)])
        await broker.restart()
        await waiting
        marks = {event["messageId"] for event in await http.events()}
        assert marks == {f"m-{number}" for number in range(1, 12)}


async def test_ingest_is_up_before_the_broker(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, redis=valkey.url, http_port=0)
    nowhere = pipeline.settings.model_copy(update={"broker": "127.0.0.1:9"})
    async with serving(nowhere) as url, httpx.AsyncClient(base_url=url) as client:
        content = is_flat(await client.get("/readyz"), 503, "not_ready")
        assert [fault["path"] for fault in content["errors"]] == ["broker"]


async def test_known_keys_outlive_redis(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        await sent(http.client, 1)
        await valkey.kill()
        try:
            await sent(http.client, 2)
            answer = await http.client.post("/v1/track", json=track(3), auth=("unknown", ""))
            is_flat(answer, 503, "keys_unchecked")
            is_flat(await http.client.get("/readyz"), 503, "not_ready")
        finally:
            await valkey.restart()
        is_flat(await http.client.post("/v1/track", json=track(3), auth=("unknown", "")), 401, "wrong_key")
        assert len(await http.events()) == 2


async def test_keys_are_made_listed_and_revoked(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async def keys(*words: str, expect: int = 0) -> str:
        command = [*SEGUE, "keys", *words, "--redis", valkey.url, "--app-id", app_id]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        key = (await keys("add", "--kind", "write", "--name", "shop")).strip()
        assert key.startswith("segue_write_")
        assert (await http.client.post("/v1/track", json=track(1), auth=(key, ""))).status_code == 200
        assert "already" in await keys("add", "--kind", "read", "--name", "shop", expect=1)
        listed = await keys("list")
        assert [line.split()[:2] for line in listed.splitlines()][-1] == ["shop", "write"]
        assert key not in listed
        assert "revoked" in await keys("revoke", "--name", "shop")
        assert "no key" in await keys("revoke", "--name", "shop", expect=1)
        async with asyncio.timeout(PATIENCE_S):
            while (answer := await http.client.post("/v1/track", json=track(2), auth=(key, ""))).status_code == 200:
                pass
        is_flat(answer, 401, "wrong_key")
