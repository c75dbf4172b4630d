"""Lookup on services: an event goes in over HTTP, and what became of the customer is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from rules.load import load_text
from streams.replay.sender import partition_of
from tests.integration.http_server import http_server, worked
from tests.integration.test_http_hostile import fuzz

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer

RULES = load_text("""\
segments:
  - {key: seen, name: Has been here, description: anybody we know, when: {did: {event: '*'}}}
  - {key: recent, when: {did: {event: '*', within: 30d}}}
  - {key: loyal, name: Loyal, when: {did: {event: Bought, times: {gte: 2}}}}
segmentations:
  - {key: stage, segments: [loyal], otherwise: visitor}
""")
ODD = "a/b c%2F🦊/"


async def buy(http: HttpServer, customer: str) -> None:
    """Send one purchase as an app would."""
    assert (await http.client.post("/v1/track", json={"userId": customer, "event": "Bought"})).is_success


async def get(http: HttpServer, path: str) -> Any:
    """Ask with the read key."""
    answer = await http.client.get(path, auth=(http.read_key, ""))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_an_app_sends_a_chat_tool_reads(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES):
        unknown = await http.client.get("/v1/customers/c42", auth=(http.read_key, ""))
        assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown_customer")
        for customer in ("c42", ODD):
            await buy(http, customer)
            path = f"/v1/customers/{quote(customer, safe='')}"
            view = await get(http, f"{path}?wait_for_seq=3")
            assert view["customer_id"] == customer
            assert [segment["key"] for segment in view["segments"]] == ["recent", "seen"]
            assert view["segmentations"]["stage"]["key"] == "visitor"
        await buy(http, "c42")
        view = await get(http, "/v1/customers/c42?wait_for_seq=5")
        assert view["segmentations"]["stage"]["name"] == "Loyal"
        asked = {"ids": ["c42", "nobody", ODD]}
        many = await http.client.post("/v1/customers/lookup", json=asked, auth=(http.read_key, ""))
        assert many.json()["customers"]["c42"] == view
        assert many.json()["customers"]["nobody"] is None
        assert many.json()["customers"][ODD]["customer_id"] == ODD


async def test_a_customer_is_explained_as_they_stand(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES) as pipeline:
        await buy(http, ODD)
        path = f"/v1/customers/{quote(ODD, safe='')}"
        view = await get(http, f"{path}?wait_for_seq=3")
        partition = partition_of(ODD.encode(), pipeline.settings.partitions)
        stored = await pipeline.store.load(partition, [ODD])
        found = await get(http, f"{path}/explain")
        assert [one["segment"] for one in found["segments"] if one["in"]] == ["recent", "seen", "visitor"]
        assert (found["seq"], found["ruleset"], found["active_ruleset"]) == (3, RULES.version, RULES.version)
        recent = (await get(http, f"{path}/explain?segment=recent"))["segments"][0]
        assert recent["since"] == view["segments"][0]["since"]
        assert [(reason["value"], reason["decides"]) for reason in recent["because"]] == [(1, True)]
        assert recent["next"]["change"] == "exited"
        loyal = (await get(http, f"{path}/explain?segment=loyal"))["segments"][0]
        assert (loyal["in"], loyal["since"], loyal["next"]) == (False, None, None)
        assert loyal["because"][0]["wanted"] == "gte 2"
        assert await pipeline.store.load(partition, [ODD]) == stored
        answer = await http.client.get(f"{path}/explain?segment=loyl", auth=(http.read_key, ""))
        assert answer.status_code == 404
        assert "did you mean loyal?" in answer.json()["message"]
        assert (await get(http, path)) == view


async def test_sizes_are_exact_once_the_commits_are_there(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES):
        for number in range(20):
            await buy(http, f"c{number}")
        await buy(http, "c7")
        await get(http, "/v1/customers/c7?wait_for_seq=5")
        for number in range(20):
            await get(http, f"/v1/customers/c{number}?wait_for_seq=3")
        found = await get(http, "/v1/segments")
        assert {one["segment"]: one["size"] for one in found["segments"]} == {
            "recent": 20,
            "seen": 20,
            "loyal": 1,
            "visitor": 19,
        }
        assert found["ruleset"] == RULES.version


@pytest.mark.embedded  # no broker has a say in it
async def test_no_answer_to_a_read_key_is_out_of_contract(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES):
        await buy(http, "c42")
        await get(http, "/v1/customers/c42?wait_for_seq=3")
        await asyncio.to_thread(fuzz, http.url, http.read_key, "--include-path-regex", "^/v1/(customers|segments)")


async def test_without_redis_the_answer_is_503_and_afterwards_it_is_right_again(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        async with worked(http, valkey, RULES):
            await buy(http, "c42")
            view = await get(http, "/v1/customers/c42?wait_for_seq=3")
        await valkey.kill()
        try:
            answer = await http.client.get("/v1/customers/c42", auth=(http.read_key, ""))
            assert (answer.status_code, answer.json()["code"]) == (503, "redis_away")
        finally:
            await valkey.restart()
        assert await get(http, "/v1/customers/c42") == view
