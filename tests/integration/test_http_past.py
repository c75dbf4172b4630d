"""A customer's changes, and what came and went, over HTTP: kept from the change topic while it is served."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING, Any, cast

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from rules.dates import format_ms
from rules.load import load_text
from state.change import Change
from state.history import Batch, History
from streams.changes import SOURCE_HEADER, make_entry, source_of, value_of
from streams.child import free_port
from streams.http.broker import Broker as HttpBroker
from streams.http.lookup.kept import whole
from streams.http.lookup.projector import Projector
from streams.http.parts import HttpParts
from streams.http.serving import serving
from streams.topics import create_topics, delete_topics
from tests.integration.http_server import http_server, worked
from tests.integration.pipeline import make_pipeline, track
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from streams.embedded import EmbeddedValkey
    from streams.http.keyring import KeyRing
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer
    from tests.integration.pipeline import Pipeline

RULES = load_text("""\
segments:
  - {key: buyer, when: {did: {event: Bought}}}
  - {key: twice, when: {did: {event: Bought, times: {gte: 2}}}}
segmentations:
  - {key: stage, segments: [twice], otherwise: visitor}
""")
NOON_MS = 1_772_366_400_000


async def got(http: HttpServer, path: str, met: Callable[[Any], bool]) -> Any:
    """Ask with the read key until the answer is as it should be."""
    content = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await http.client.get(path, auth=(http.read_key, ""))
                content = answer.json()
                if answer.is_success and met(content):
                    return content
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"{path}: {content}")


def change(app_id: str, customer: str, seq: int, segment: str) -> bytes:
    """Return a change as a worker sends it; even ones enter."""
    said = ("entered", "exited")[seq % 2]
    made = Change(customer, seq, said, segment, None, None, NOON_MS + seq, {"type": "timer"}, [], [segment], "r")
    return value_of(make_entry(app_id, made, seq), format_ms(NOON_MS + seq))


async def send_changes(pipeline: Pipeline, records: Iterable[tuple[bytes, bytes]]) -> None:
    """Send (value, source) pairs to the change topic's partition 0."""
    async with AIOKafkaProducer(bootstrap_servers=pipeline.settings.broker) as producer:
        for value, source in records:
            await producer.send(pipeline.topics.changes, value, headers=[(SOURCE_HEADER, source)], partition=0)
        await producer.flush()


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
async def test_however_often_reading_is_cut_off_each_change_counts_once(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    draw = random.Random(7)
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1, redis=valkey.url)
    log = [change(app_id, f"c{draw.randrange(40)}", number, draw.choice(["a", "b"])) for number in range(6_000)]
    await send_changes(pipeline, [(value, source_of(app_id)) for value in log])
    history = History(valkey.url, app_id, kept=50, patience_s=5)
    projector = Projector(HttpParts(pipeline.settings, cast("KeyRing", None), HttpBroker(pipeline.settings)), history)
    cuts = 0
    try:
        while (await history.place(0)).offset != len(log):
            before = await history.place(0)
            reading = asyncio.create_task(projector.run(0))
            # cut off in the middle of what it does first, or somewhat later
            while await history.place(0) == before and not reading.done():  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0)
            await asyncio.sleep(draw.random() * 0.02)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            cuts += 1
        for customer in {orjson.loads(value)["customer_id"] for value in log}:
            mine = [value for value in log if orjson.loads(value)["customer_id"] == customer]
            assert whole(app_id, customer, await history.changes(0, customer)) == mine[:-51:-1]
        flows = (await history.flows([0])).by_segment
        assert sum(entered + exited for entered, exited in flows.values()) == len(log)
    finally:
        await history.close()
    assert cuts > 3


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
        others = [
            (orjson.dumps(two), source_of("another")),
            (b"no JSON", source_of(app_id)),
            (orjson.dumps(two | {"seq": 3}), source_of(app_id)),
        ]
        await send_changes(http.pipeline, others)
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


@pytest.mark.kafka  # the embedded broker deletes no records
async def test_where_retention_was_faster_it_goes_on_from_what_is_there(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, partitions=1, redis=valkey.url)
    log = [change(app_id, "c42", number, "a") for number in range(10)]
    await send_changes(pipeline, [(value, source_of(app_id)) for value in log])
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(pipeline.topics.changes, 0): RecordsToDelete(before_offset=6)})
    finally:
        await admin.close()
    history = History(valkey.url, app_id, kept=50, patience_s=5)
    try:
        await history.write(0, Batch(None, 2, 0))
        parts = HttpParts(pipeline.settings, cast("KeyRing", None), HttpBroker(pipeline.settings))
        reading = asyncio.create_task(Projector(parts, history).run(0))
        while (await history.place(0)).offset != len(log):
            assert not reading.done(), reading.result()
            await asyncio.sleep(0.01)
        assert whole(app_id, "c42", await history.changes(0, "c42")) == log[:5:-1]
        assert "stands at offset 2, but the topic has 6 to 10" in caplog.text
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
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
        await send_changes(http.pipeline, [(anew, source_of(app_id))])
        found = await got(http, "/v1/customers/c42/changes", lambda found: len(found["changes"]) == 3)
        assert [one["seq"] for one in found["changes"]] == [3, 2, 1]
