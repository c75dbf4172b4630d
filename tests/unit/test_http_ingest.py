"""Ingest, rule by rule: what is read, what the broker gets, what the client hears."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from streams.http.ingest.limits import MAX_BODY_BYTES, MAX_ITEMS
from streams.replay.sender import partition_of
from tests.unit.http_fakes import WRITE, FakeBatch, is_flat, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.unit.http_fakes import Served

TRACK = {"type": "track", "userId": "c1", "event": "Seen", "messageId": "m-1"}


@pytest_asyncio.fixture
async def app() -> AsyncIterator[Served]:
    async with served(http_ack_timeout="50ms", http_read_timeout="50ms") as running:
        yield running


def track(number: int, **parts: Any) -> dict[str, Any]:
    return {"type": "track", "userId": f"c{number}", "event": "Seen", "messageId": f"m-{number}", **parts}


def partition(number: int) -> int:
    return partition_of(f"c{number}".encode(), 8)


def come_again(answer: httpx.Response, status: int, code: str) -> None:
    is_flat(answer, status, code)
    assert int(answer.headers["retry-after"]) >= 1


# routes


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
@pytest.mark.parametrize("slash", ["", "/"])
async def test_each_type_has_its_route_and_its_short_one(app: Served, kind: str, slash: str) -> None:
    body = {"anonymousId": "a1", **({"event": "Seen"} if kind == "track" else {})}
    for path in (kind, kind[0]):
        answer = await app.post(f"/v1/{path}{slash}", body)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [json.loads(value)["type"] for value in app.producer.values()] == [kind, kind]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b", "/v1/batch/"])
async def test_batches_have_three(app: Served, path: str) -> None:
    answer = await app.post(path, {"batch": [track(1), track(2)]})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert len(app.producer.values()) == 2


async def test_a_record_goes_to_its_customers_partition_with_the_id_as_key(app: Served) -> None:
    await app.post("/v1/batch", {"batch": [track(number) for number in range(20)]})
    placed = {(json.loads(value)["userId"].encode(), where) for _, where, _, value, _ in app.producer.taken}
    assert placed == {(f"c{number}".encode(), partition(number)) for number in range(20)}
    assert all(key == json.loads(value)["userId"].encode() for _, _, key, value, _ in app.producer.taken)


async def test_a_customers_events_keep_their_order_however_many_batches_they_take(
    app: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeBatch, "most", 3)
    bodies = [{"batch": [track(1, messageId=f"{number}-{at}") for at in range(5)]} for number in range(4)]
    await asyncio.gather(*[app.post("/v1/batch", body) for body in bodies])
    order = [json.loads(value)["messageId"] for value in app.producer.values()]
    for number in range(4):
        assert [mark for mark in order if mark[0] == str(number)] == [f"{number}-{at}" for at in range(5)]


async def test_what_comes_meanwhile_is_one_batch() -> None:
    async with served() as app:
        app.producer.silent = {partition(1)}
        posts = asyncio.gather(*[app.post("/v1/track", track(1, messageId=f"m-{number}")) for number in range(50)])
        while sum(len(batch.records) for batch in app.producer.made) < 50:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.001)
        app.producer.answer(taken=True)
        assert {answer.status_code for answer in await posts} == {200}
        assert len(app.producer.values()) == 50
        assert app.producer.batches < 25


# bodies


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "text/plain;charset=UTF-8", ""])
async def test_json_may_come_as_text(app: Served, kind: str) -> None:
    assert (await app.post("/v1/track", orjson.dumps(TRACK), headers={"Content-Type": kind})).status_code == 200


async def test_a_body_may_be_gzipped(app: Served) -> None:
    zipped = gzip.compress(orjson.dumps(TRACK)[:9]) + gzip.compress(orjson.dumps(TRACK)[9:])
    assert (await app.post("/v1/track", zipped, headers={"Content-Encoding": "GZIP"})).status_code == 200
    for bad in (b"{}", b"", zipped[:-3], zipped + b"x"):
        is_flat(await app.post("/v1/track", bad, headers={"Content-Encoding": "gzip"}), 400, "not_gzip")
    is_flat(await app.post("/v1/track", b"{}", headers={"Content-Encoding": "br"}), 415, "unknown_encoding")


def padded(size: int) -> bytes:
    body = orjson.dumps({"batch": [TRACK], "more": ""})
    return body.replace(b'"more":""', b'"more":"' + b"x" * (size - len(body)) + b'"')


async def test_a_body_of_the_bound_is_taken_and_one_byte_more_is_not(app: Served) -> None:
    for size, status in ((MAX_BODY_BYTES, 200), (MAX_BODY_BYTES + 1, 413)):
        body = padded(size)
        assert (await app.post("/v1/batch", body)).status_code == status
        answer = await app.post("/v1/batch", gzip.compress(body), headers={"Content-Encoding": "gzip"})
        assert answer.status_code == status
        assert (await app.client.post("/v1/batch", content=pieces(body), auth=(WRITE, ""))).status_code == status
    is_flat(await app.post("/v1/batch", padded(MAX_BODY_BYTES + 1)), 413, "body_too_large")


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 65_536):
        yield body[at : at + 65_536]


async def test_a_gzip_bomb_is_stopped_where_it_bursts(app: Served) -> None:
    bomb = gzip.compress(b"0" * 50_000_000, 9)
    assert len(bomb) < 60_000
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for at in range(0, len(bomb), 1_024):
            read += 1_024
            yield bomb[at : at + 1_024]

    answer = await app.client.post("/v1/batch", content=body(), auth=(WRITE, ""), headers={"Content-Encoding": "gzip"})
    is_flat(answer, 413, "body_too_large")
    assert read < 16_384


async def test_a_slow_body_is_not_waited_for(app: Served) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    is_flat(await app.client.post("/v1/track", content=body(), auth=(WRITE, "")), 408, "slow_body")


@pytest.mark.parametrize("body", [b"", b"{", b"nothing", b'{"batch":[}', b"\xff", b'{"batch":[1],"x":\xff'])
async def test_what_is_no_json_is_said_to_be_none(app: Served, body: bytes) -> None:
    for path in ("/v1/track", "/v1/batch"):
        is_flat(await app.post(path, body), 400, "not_json")
    assert app.producer.taken == []


async def test_a_batch_is_a_list(app: Served) -> None:
    assert is_flat(await app.post("/v1/batch", {"batch": {}}), 400, "no_batch")["path"] == "batch"
    is_flat(await app.post("/v1/batch", [TRACK]), 400, "no_batch")
    is_flat(await app.post("/v1/track", [TRACK]), 400, "not_object")
    assert (await app.post("/v1/batch", {"batch": []})).json() == {"success": True}


# bad items


async def test_a_bad_event_alone_is_an_error_that_names_the_place(app: Served) -> None:
    content = is_flat(await app.post("/v1/track", {"userId": "c1"}), 400, "no_event")
    assert content["path"] == "event"
    is_flat(await app.post("/v1/track", {**TRACK, "p": "x" * 32_768}), 413, "too_large")
    assert app.producer.taken == []


async def test_in_a_batch_good_ones_are_taken_and_bad_ones_put_aside(app: Served) -> None:
    long = track(4, properties={"x": "y" * 32_768})
    body = {"batch": [track(1), {"type": "nope", "writeKey": WRITE}, track(2), {**track(3), "timestamp": "x"}, long]}
    content = (await app.post("/v1/batch", body)).json()
    assert (content["success"], content["accepted"], content["rejected"]) == (True, 2, 3)
    assert [fault["path"] for fault in content["errors"]] == ["batch[1].type", "batch[3].timestamp", "batch[4]"]
    assert len(app.producer.values()) == 2
    aside = [record for record in app.producer.taken if record[0] == "customer-events-rejected"]
    assert [(where, key) for _, where, key, _, _ in aside] == [(0, None)] * 3
    assert [headers["error"] for *_, headers in aside] == [b"unknown_type", b"bad_timestamp", b"too_large"]
    assert {headers["source"] for *_, headers in aside} == {b"http"}
    assert aside[1][4]["path"] == b"batch[3].timestamp"
    assert aside[1][3] == orjson.dumps({**track(3), "timestamp": "x"})
    assert aside[0][3] == b'{"type":"nope"}'


async def test_a_batch_without_a_good_one_is_an_error(app: Served) -> None:
    content = is_flat(await app.post("/v1/batch", {"batch": [{"type": "x"}, 7]}), 400, "unknown_type")
    assert (content["path"], content["accepted"], content["rejected"]) == ("batch[0].type", 0, 2)
    assert len(app.producer.values("customer-events-rejected")) == 2


async def test_of_many_bad_ones_a_hundred_are_shown(app: Served) -> None:
    content = is_flat(await app.post("/v1/batch", {"batch": [0] * 1_000}), 400, "not_object")
    assert (len(content["errors"]), content["rejected"]) == (100, 1_000)


async def test_what_no_broker_takes_is_put_aside_without_its_bytes(app: Served) -> None:
    body = {"batch": [track(1), {"type": "nope", "x": "y" * 1_000_000}]}
    assert (await app.post("/v1/batch", body)).json()["rejected"] == 1
    (*_, value, headers) = app.producer.taken[-1]
    assert (value, headers["truncated"]) == (b"", b"true")


async def test_half_an_emoji_costs_its_own_event_only(app: Served) -> None:
    bad = b'{"type":"track","userId":"c9","event":"Seen","properties":{"text":"\\ud83d"}}'
    body = b'{"batch":[%s,%s],"sentAt":"2026-03-01T12:00:00Z"}' % (orjson.dumps(track(1)), bad)
    content = (await app.post("/v1/batch", body)).json()
    assert (content["accepted"], content["rejected"]) == (1, 1)
    assert app.producer.values("customer-events-rejected") == [bad]


async def test_defaults_are_copied_within_bounds(app: Served) -> None:
    context = {"x": "y" * 60_000}
    answer = await app.post("/v1/batch", {"batch": [track(number) for number in range(2_000)], "context": context})
    is_flat(answer, 413, "body_too_large")
    is_flat(await app.post("/v1/batch", {"batch": [TRACK], "context": {"x": "y" * 70_000}}), 413, "too_large")
    is_flat(await app.post("/v1/batch", {"batch": [0] * (MAX_ITEMS + 1)}), 413, "body_too_large")
    assert app.producer.taken == []


async def test_defaults_reach_the_record(app: Served) -> None:
    body = {
        "batch": [track(1)],
        "context": {"ip": "1.1.1.1"},
        "integrations": {"All": False},
        "sentAt": "2020-01-01T00:00:00Z",
    }
    await app.post("/v1/batch", body)
    record = json.loads(app.producer.values()[0])
    assert (record["context"], record["integrations"]) == ({"ip": "1.1.1.1"}, {"All": False})
    assert record["sentAt"] == "2020-01-01T00:00:00Z"


# the broker


async def test_a_broker_that_never_came_is_503(app: Served) -> None:
    app.broker.producer = None
    come_again(await app.post("/v1/track", TRACK), 503, "broker_away")
    come_again(await app.post("/v1/batch", {"batch": [7]}), 503, "broker_away")


async def test_a_broker_that_refuses_is_503_and_what_it_refused_is_sent_again(app: Served) -> None:
    app.producer.fail = True
    come_again(await app.post("/v1/track", TRACK), 503, "broker_away")
    app.producer.fail = False
    assert (await app.post("/v1/track", TRACK)).status_code == 200
    assert len(app.producer.values()) == 1


async def test_what_was_taken_of_a_503_is_not_taken_twice(app: Served) -> None:
    batch = {"batch": [track(number) for number in range(40)]}
    app.producer.silent = {partition(1)}
    come_again(await app.post("/v1/batch", batch), 503, "broker_away")
    app.producer.answer(taken=False)
    await asyncio.sleep(0)
    assert (await app.post("/v1/batch", batch)).json() == {"success": True}
    marks = [json.loads(value)["messageId"] for value in app.producer.values()]
    assert sorted(marks) == sorted(f"m-{number}" for number in range(40))
    text = (await app.client.get("/metrics")).text
    silent = sum(partition(number) == partition(1) for number in range(40))
    assert f'segue_ingest_events_total{{outcome="repeated"}} {40 - silent}.0' in text


async def test_what_is_still_on_its_way_is_waited_for_not_sent_again(app: Served) -> None:
    app.producer.silent = {partition(1)}
    come_again(await app.post("/v1/track", track(1)), 503, "broker_away")
    again = asyncio.create_task(app.post("/v1/track", track(1)))
    await asyncio.sleep(0.01)
    app.producer.answer(taken=True)
    assert (await again).status_code == 200
    assert len(app.producer.values()) == 1


async def test_another_customers_event_of_the_same_id_is_another_event(app: Served) -> None:
    app.producer.silent = {partition(1)}
    come_again(await app.post("/v1/track", track(1)), 503, "broker_away")
    app.producer.answer(taken=True)
    assert (await app.post("/v1/track", track(2, messageId="m-1"))).status_code == 200
    assert len(app.producer.values()) == 2


async def test_too_much_in_flight_is_429_until_the_broker_has_it() -> None:
    async with served(http_ack_timeout="50ms") as app:
        app.producer.silent = set(range(8))

        def body(at: int) -> dict[str, Any]:
            return {"batch": [track(at * 130 + number, properties={"x": "y" * 30_000}) for number in range(130)]}

        codes = [(await app.post("/v1/batch", body(at))).status_code for at in range(20)]
        assert set(codes) == {503, 429}
        assert codes == sorted(codes, reverse=True)
        come_again(await app.post("/v1/batch", body(20)), 429, "too_much_in_flight")
        app.producer.answer(taken=True)
        for _ in range(20):
            await asyncio.sleep(0)
        app.producer.answer(taken=True)
        assert (await app.post("/v1/track", track(9_999))).status_code == 200


async def test_in_the_end_nothing_is_held(app: Served) -> None:
    await app.post("/v1/batch", {"batch": [track(1), 7]})
    app.producer.fail = True
    await app.post("/v1/batch", {"batch": [track(1), 7]})
    await app.post("/v1/batch", b"{")
    await app.post("/v1/track", TRACK, auth=("x", ""))
    assert "segue_ingest_in_flight_bytes 0.0" in (await app.client.get("/metrics")).text


# analytics.js


async def test_analytics_js_is_told_where_to_send(app: Served) -> None:
    answer = await app.client.get(f"/v1/projects/{WRITE}/settings")
    ours = answer.json()["integrations"]["Segment.io"]
    assert (ours["apiKey"], ours["apiHost"], ours["protocol"]) == (WRITE, "segue/v1", "http")
    is_flat(await app.client.get("/v1/projects/wrong/settings"), 401, "wrong_key")
    async with served(http_public_url="https://events.shop.example/in") as other:
        ours = (await other.client.get(f"/v1/projects/{WRITE}/settings")).json()["integrations"]["Segment.io"]
        assert (ours["apiHost"], ours["protocol"]) == ("events.shop.example/in/v1", "https")
