"""A customer's changes, and what came and went, over HTTP: kept from the change topic while it is served."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from rules.load import load_text
from state.history import Batch, History
from streams.changes import SOURCE_HEADER, source_of
from streams.child import free_port
from streams.http.serving import serving
from streams.replay.sender import partition_of
from streams.topics import create_topics, delete_topics
from tests.integration.http_server import http_server, worked
from tests.integration.pipeline import track

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer

RULES = load_text("""\
segments:
  - {key: buyer, when: {did: {event: Bought}}}
  - {key: twice, when: {did: {event: Bought, times: {gte: 2}}}}
segmentations:
  - {key: stage, segments: [twice], otherwise: visitor}
""")
READ_S = 40.0


async def got(http: HttpServer, path: str, met: Callable[[Any], bool]) -> Any:
    """Ask with the read key until the answer is as it should be."""
    content = None
    try:
        async with asyncio.timeout(READ_S):
            while True:
                answer = await http.client.get(path, auth=(http.read_key, ""))
                content = answer.json()
                if answer.is_success and met(content):
                    return content
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{path}: {content}")


def sums(catalogue: Any) -> dict[str, tuple[int, int]]:
    """Return (entered, exited) of each segment of `GET /v1/segments`."""
    return {one["segment"]: (one["entered_24h"], one["exited_24h"]) for one in catalogue["segments"]}


async def test_a_customers_changes_are_those_of_the_topic(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, http_history=3) as http:
        async with worked(http, valkey, RULES) as pipeline:
            await pipeline.send([("c42", track("c42", number, event="Bought")) for number in range(3)])
            await pipeline.send([("c7", track("c7", 0))])
            path = "/v1/customers/c42/changes"
            found = await got(http, path, lambda content: [one["seq"] for one in content["changes"]] == [4, 3, 2])
            out = [orjson.loads(record.value or b"") for record in await pipeline.read(pipeline.topics.changes)]
        assert found["changes"] == [change for change in reversed(out) if change["customer_id"] == "c42"][:3]
        assert (await got(http, f"{path}?limit=1", bool))["changes"] == found["changes"][:1]
        catalogue = await got(http, "/v1/segments", lambda content: content["flows_as_of"] is not None)
        assert sums(catalogue) == {"buyer": (1, 0), "visitor": (2, 1), "twice": (1, 0)}
        assert found["as_of"] is not None
        for limit in ("0", "4", "many"):
            answer = await http.client.get(f"{path}?limit={limit}", auth=(http.read_key, ""))
            assert (answer.status_code, answer.json()["path"]) == (422, "limit")
        nobody = await http.client.get("/v1/customers/nobody/changes", auth=(http.read_key, ""))
        assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown_customer")


@pytest.mark.embedded  # no broker has a say in it
async def test_a_known_customer_may_have_no_changes(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    identified = orjson.dumps({"type": "identify", "userId": "c7", "traits": {"email": "c7@shop.example"}})
    async with http_server(broker, valkey, topic_prefix, app_id, view_traits=["email"]) as http:
        rules = load_text("segments: [{key: buyer, when: {did: {event: Bought}}}]")
        async with worked(http, valkey, rules) as pipeline:
            await pipeline.send([("c7", identified)])
            found = await got(http, "/v1/customers/c7/changes", lambda content: content["as_of"] is not None)
        assert (found["customer_id"], found["changes"]) == ("c7", [])


async def test_several_servers_come_and_go_and_each_change_counts_once(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    customers = [f"c{number}" for number in range(60)]
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES) as pipeline:
        for number in range(3):
            # the first round is read by one, later ones by two of which one goes away in the middle
            async with contextlib.AsyncExitStack() as stack:
                if number:
                    other = pipeline.settings.model_copy(update={"http_port": free_port()})
                    await stack.enter_async_context(serving(other, ["lookup"]))
                await pipeline.send([(customer, track(customer, number, event="Bought")) for customer in customers])
        for customer in customers:
            path = f"/v1/customers/{customer}/changes"
            await got(http, path, lambda found: [one["seq"] for one in found["changes"]] == [4, 3, 2, 1])
        catalogue = await got(http, "/v1/segments", bool)
        assert sums(catalogue) == {"buyer": (60, 0), "visitor": (60, 60), "twice": (60, 0)}


@pytest.mark.embedded  # no broker has a say in it
async def test_other_apps_changes_and_what_is_none_are_left_out(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, partitions=1) as http:
        async with worked(http, valkey, RULES) as pipeline:
            await pipeline.send([("c42", track("c42", 0, event="Bought"))])
            [one, two] = (await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) == 2))[
                "changes"
            ]
        async with AIOKafkaProducer(bootstrap_servers=http.pipeline.settings.broker) as producer:
            for value, source in (
                (orjson.dumps(two), source_of("another")),
                (b"no JSON", source_of(app_id)),
                (orjson.dumps(two | {"seq": 3}), source_of(app_id)),
            ):
                headers = [(SOURCE_HEADER, source)]
                await producer.send_and_wait(http.pipeline.topics.changes, value, key=b"c42", headers=headers)
        found = await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) > 2)
        assert found["changes"][1:] == [one, two]
    assert "a change that this version cannot read" in caplog.text


@pytest.mark.embedded  # no broker has a say in it
async def test_an_offset_that_the_topic_does_not_have_is_said_and_gone_on_from(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    history = History(valkey.url, app_id, kept=50, patience_s=5)
    try:
        await history.write(0, Batch(None, 1_000, 5))
        async with http_server(broker, valkey, topic_prefix, app_id, partitions=1) as http:
            async with worked(http, valkey, RULES) as pipeline:
                await pipeline.send([("c42", track("c42", 0, event="Bought"))])
                await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) == 2)
            metrics = (await http.client.get("/metrics")).text
        assert "stands at offset 1000, but the topic has 0 to" in caplog.text
        assert "segue_history_gaps_total 1.0" in metrics
        assert "segue_history_changes_total 2.0" in metrics
        assert (await history.place(0)).offset == 2
    finally:
        await history.close()


@pytest.mark.embedded  # this broker comes back empty
async def test_a_topic_that_is_made_anew_is_read_from_its_beginning(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, partitions=1) as http:
        async with worked(http, valkey, RULES) as pipeline:
            await pipeline.send([("c42", track("c42", 0, event="Bought"))])
            found = await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) == 2)
        await delete_topics(pipeline.settings)
        await create_topics(pipeline.settings)
        anew = orjson.dumps(found["changes"][0] | {"seq": 3})
        async with AIOKafkaProducer(bootstrap_servers=http.pipeline.settings.broker) as producer:
            headers = [(SOURCE_HEADER, source_of(app_id))]
            await producer.send_and_wait(http.pipeline.topics.changes, anew, key=b"c42", headers=headers)
        found = await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) == 3)
        assert partition_of(b"c42", 1) == 0
