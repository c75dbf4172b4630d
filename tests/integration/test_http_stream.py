"""The stream on services: what a client hears, and that it misses nothing whoever goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete

from rules.load import load_text
from state.access import AccessKeys
from streams.child import free_port
from streams.http.serving import serving
from streams.topics import create_topics, delete_topics
from tests.integration.http_server import http_server, worked
from tests.integration.pipeline import make_pipeline
from tests.integration.sse import append, deaf, hearing, on_services
from tests.integration.test_http_hostile import fuzz
from tests.patience import PATIENCE_S
from tests.unit.http_fakes import is_flat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.kafka import ApacheKafka
    from tests.integration.pipeline import Pipeline

RULES = load_text("""\
segments:
  - {key: seen, when: {did: {event: '*'}}}
  - {key: loyal, when: {did: {event: Bought, times: {gte: 2}}}}
segmentations:
  - {key: stage, segments: [loyal], otherwise: visitor}
""")


@contextlib.asynccontextmanager
async def keyed(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, **options: Any
) -> AsyncIterator[tuple[Pipeline, str]]:
    """Make an app's topics and a read key."""
    pipeline = await make_pipeline(broker, topic_prefix, app_id, redis=valkey.url, **options)
    store = AccessKeys(valkey.url, app_id, patience_s=5)
    try:
        yield pipeline, await store.add("read", "read", 0)
    finally:
        await store.close()


async def test_what_an_app_sends_is_heard_at_once_and_by_whom_it_concerns(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES):

        async def buy(customer: str) -> None:
            assert (await http.client.post("/v1/track", json={"userId": customer, "event": "Bought"})).is_success

        await buy("c0")  # with the first event the worker has made its ruleset active
        await http.client.get("/v1/customers/c0?wait_for_seq=2", auth=(http.read_key, ""))
        async with contextlib.AsyncExitStack() as stack:

            async def hear(query: str) -> Any:
                return await stack.enter_async_context(hearing(http.url, http.read_key, query))

            everything, loyal = await hear(""), await hear("?segment=stage.loyal,seen&change=entered&customer=c1")
            stage, left = await hear("?segment=stage&customer=c2"), await hear("?change=exited")
            for customer in ("c1", "c1", "c2"):
                await buy(customer)
            heard = [orjson.loads((await everything.next()).data) for _ in range(6)]
            of_one = [one for one in heard if one["customer_id"] == "c1"]
            assert [(one["seq"], one["segment"]) for one in of_one[:2]] == [(1, "seen"), (2, "visitor")]
            assert {(one["change"], one["segment"]) for one in of_one[2:]} == {
                ("exited", "visitor"),
                ("entered", "loyal"),
            }
            assert [orjson.loads((await loyal.next()).data)["segment"] for _ in range(2)] == ["seen", "loyal"]
            assert orjson.loads((await stage.next()).data)["segment"] == "visitor"
            gone = await left.next()
            assert (gone.event, orjson.loads(gone.data)["segment"]) == ("segment.exited", "visitor")
            assert everything.response.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("before", [0, 8_000], ids=["from Kafka", "from memory"])
async def test_who_was_away_while_the_server_restarted_misses_nothing_and_hears_nothing_twice(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.http.stream.feed.RECORDS_BEFORE", before)
    async with keyed(broker, valkey, topic_prefix, app_id, partitions=3) as (pipeline, key):
        async with (
            on_services(pipeline) as (url,),
            hearing(url, key) as ear,
            hearing(url, key, "?customer=c7") as seven,
        ):
            await append(pipeline, range(20))
            heard = await ear.numbers(20)
            assert await seven.numbers(1) == [7]
        await append(pipeline, range(20, 60))
        await append(pipeline, range(5), app_id="another")
        await append(pipeline, [7, 107], customer="c7")
        async with (
            on_services(pipeline, 2) as urls,
            hearing(urls[0], key, last_event_id=ear.id) as ear,
            hearing(urls[1], key, f"?customer=c7&last_event_id={seven.id}") as seven,
        ):
            heard += await ear.numbers(42)
            assert await seven.numbers(2) == [7, 107]
            await append(pipeline, range(60, 80))
            heard += await ear.numbers(20)
            assert sorted(heard) == sorted([*range(80), 7, 107])
            # another process has read the partitions in another order
            async with hearing(urls[1], key, last_event_id=ear.id) as other:
                await append(pipeline, range(80, 90))
                assert sorted(await other.numbers(10)) == list(range(80, 90))
            async with httpx.AsyncClient(base_url=urls[0]) as client:
                source = "memory" if before else "kafka"
                assert f'segue_stream_resumed_total{{source="{source}"}} 1.0' in (await client.get("/metrics")).text


@pytest.mark.kafka  # the embedded broker deletes no records
async def test_what_is_past_retention_is_a_gap_first(
    broker: ApacheKafka, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with keyed(broker, valkey, topic_prefix, app_id, partitions=1) as (pipeline, key):
        async with on_services(pipeline) as (url,), hearing(url, key) as ear:
            await append(pipeline, range(5))
            await ear.numbers(5)
        await append(pipeline, range(5, 20))
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        try:
            await admin.delete_records({TopicPartition(pipeline.topics.changes, 0): RecordsToDelete(before_offset=12)})
        finally:
            await admin.close()
        async with on_services(pipeline) as (url,), hearing(url, key, "?customer=c19", last_event_id=ear.id) as ear:
            gap = await ear.next()
            assert (gap.event, orjson.loads(gap.data)) == (
                "gap",
                {"partitions": [{"partition": 0, "from": 5, "to": 12}]},
            )
            assert await ear.numbers(1) == [19]
            # who has been told of the gap is not told again
            async with hearing(url, key, last_event_id=gap.id) as again:
                assert await again.numbers(8) == list(range(12, 20))


async def test_a_topic_made_anew_is_a_gap_to_all_and_goes_on(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with (
        keyed(broker, valkey, topic_prefix, app_id, partitions=1) as (pipeline, key),
        on_services(pipeline, 2) as (url, other),
        hearing(url, key) as ear,
    ):
        async with hearing(other, key) as away:
            await append(pipeline, range(5))
            await ear.numbers(5)
            await away.numbers(5)
        await delete_topics(pipeline.settings)
        await create_topics(pipeline.settings)
        gap = await ear.next()
        assert (gap.event, orjson.loads(gap.data)) == (
            "gap",
            {"partitions": [{"partition": 0, "from": 5, "to": 0}]},
        )
        await append(pipeline, range(100, 107))
        assert await ear.numbers(7) == list(range(100, 107))
        async with hearing(url, key, "?customer=c106", last_event_id=away.id) as away:
            assert (await away.next()).event == "gap"
            assert await away.numbers(1) == [106]


async def test_streams_outlive_the_broker(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with (
        keyed(broker, valkey, topic_prefix, app_id, partitions=2) as (pipeline, key),
        on_services(pipeline) as (url,),
        hearing(url, key) as ear,
    ):
        await append(pipeline, range(10))
        assert sorted(await ear.numbers(10)) == list(range(10))
        await broker.kill()
        await broker.restart()
        await create_topics(pipeline.settings)
        if broker.kind == "embedded":  # it comes back empty
            assert (await ear.next()).event == "gap"
        await append(pipeline, range(10, 20))
        assert sorted(await ear.numbers(10)) == list(range(10, 20))


async def test_before_the_broker_is_there_the_answer_is_503(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.http.stream.answer.OPENING_S", 0.5)
    async with keyed(broker, valkey, topic_prefix, app_id) as (pipeline, key):
        nowhere = pipeline.settings.model_copy(update={"broker": f"127.0.0.1:{free_port()}", "http_port": 0})
        async with serving(nowhere, ["lookup"]) as url, httpx.AsyncClient(base_url=url, auth=(key, "")) as client:
            answer = await client.get("/v1/stream")
            is_flat(answer, 503, "broker_away")
            assert int(answer.headers["retry-after"]) >= 1


async def test_stopping_ends_streams_at_once(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with keyed(broker, valkey, topic_prefix, app_id) as (pipeline, key), contextlib.AsyncExitStack() as stack:
        async with on_services(pipeline) as (url,):
            ear = await stack.enter_async_context(hearing(url, key))
            writer = await deaf(url, key)
            await append(pipeline, range(40), size=100_000)  # more than the deaf one takes
            await ear.numbers(40)
            loop = asyncio.get_running_loop()
            begun = loop.time()
        # graceful waiting would take SEGUE_HTTP_READ_TIMEOUT + SEGUE_HTTP_ACK_TIMEOUT
        assert loop.time() - begun < (pipeline.settings.http_read_timeout + pipeline.settings.http_ack_timeout) / 1000
        await ear.ends()
        writer.close()


async def test_who_takes_nothing_is_cut_off_and_the_others_hear_all(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.http.stream.live.RING_BYTES", 1 << 20)
    async with (
        keyed(broker, valkey, topic_prefix, app_id) as (pipeline, key),
        on_services(pipeline) as (url,),
        hearing(url, key) as ear,
        httpx.AsyncClient(base_url=url) as client,
    ):
        slow = [await deaf(url, key) for _ in range(20)]
        appending = asyncio.create_task(append(pipeline, range(150), size=50_000))
        assert sorted(await ear.numbers(150)) == list(range(150))
        await appending

        async with asyncio.timeout(PATIENCE_S):
            while 'segue_stream_ended_total{reason="slow"} 20.0' not in (await client.get("/metrics")).text:
                pass
        for writer in slow:
            writer.close()


@pytest.mark.embedded  # no broker has a say in it
async def test_no_answer_about_tokens_is_out_of_contract(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    # the stream itself never ends where it is asked for rightly: what it refuses, tests/unit/test_http_tokens.py shows
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        await asyncio.to_thread(fuzz, http.url, http.read_key, "--include-path-regex", "^/v1/tokens")


@pytest.mark.embedded  # likewise
async def test_a_token_hears_its_customer_alone_until_it_or_its_key_ends(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with http_server(broker, valkey, topic_prefix, app_id) as http, worked(http, valkey, RULES):

        async def token(customer: str, ttl: str) -> str:
            asked = {"customer_id": customer, "ttl": ttl}
            answer = await http.client.post("/v1/tokens", json=asked, auth=(http.read_key, ""))
            return str(answer.json()["token"])

        for customer in ("c1", "c2"):
            assert (await http.client.post("/v1/track", json={"userId": customer, "event": "Seen"})).is_success
            await http.client.get(f"/v1/customers/{customer}?wait_for_seq=2", auth=(http.read_key, ""))
        short, long = await token("c1", "3s"), await token("c1", "1h")
        async with httpx.AsyncClient(base_url=http.url) as page, contextlib.AsyncExitStack() as stack:
            for customer, status in (("c1", 200), ("c2", 403)):
                assert (await page.get(f"/v1/customers/{customer}", params={"token": long})).status_code == status
            assert (await page.get("/v1/customers/c1/changes", params={"token": long})).status_code == 200
            is_flat(await page.get("/v1/customers/c1/explain", params={"token": long}), 403, "token_not_enough")
            is_flat(
                await page.get("/v1/segments", headers={"Authorization": f"Bearer {long}"}), 403, "token_not_enough"
            )
            ears = [
                await stack.enter_async_context(hearing(http.url, None, f"?token={short}")),
                await stack.enter_async_context(hearing(http.url, long)),
                await stack.enter_async_context(hearing(http.url, http.read_key)),
            ]
            await append(http.pipeline, [11], customer="c2")
            await append(http.pipeline, [12], customer="c1")
            assert [await ear.numbers(1) for ear in ears[:2]] == [[12], [12]]
            assert sorted(await ears[2].numbers(2)) == [11, 12]
            await ears[0].ends()
            is_flat(await page.get("/v1/customers/c1", params={"token": short}), 401, "token_expired")
            store = AccessKeys(valkey.url, app_id, patience_s=5)
            await store.revoke("read")
            await store.close()
            await ears[1].ends()
            await ears[2].ends()
            is_flat(await page.get("/v1/customers/c1", params={"token": long}), 401, "wrong_token")
        ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert ours
        assert not any(secret in text for text in ours for secret in (short, long, http.read_key))
