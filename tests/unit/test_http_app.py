"""The HTTP app's frame: flat errors, open routes, keys, origins."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema
import pytest
import pytest_asyncio
from fastapi import FastAPI

from streams.http.direct import ID
from streams.http.errors import HttpError, make_flat
from streams.http.keyring import KeyRing, key_in_header
from tests.unit.http_fakes import ADMIN, READ, WRITE, FakeKeys, is_flat, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.http_fakes import Served

TRACK = {"userId": "c1", "event": "Seen", "messageId": "m-1"}


@pytest_asyncio.fixture
async def app() -> AsyncIterator[Served]:
    async with served() as running:
        yield running


async def test_the_frameworks_errors_are_flat(app: Served) -> None:
    is_flat(await app.client.get("/nowhere"), 404, "not_found")
    answer = await app.client.put("/v1/track")
    is_flat(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    is_flat(await app.client.options("/v1/track"), 405, "method_not_allowed")


async def test_what_fails_inside_and_what_is_no_parameter_is_flat_too() -> None:
    app = FastAPI()
    make_flat(app)

    @app.get("/number/{count}")
    async def number(count: int, at: int) -> float:
        return at / count

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://segue") as client:
        content = is_flat(await client.get("/number/x"), 422, "invalid")
        assert [fault["path"] for fault in content["errors"]] == ["count", "at"]
        assert content["path"] == "count"
        is_flat(await client.get("/number/0?at=1"), 500, "internal")


async def test_open_routes_need_no_key(app: Served) -> None:
    for path in ("/healthz", "/readyz", "/healthz/"):
        assert (await app.client.get(path)).json() == {"success": True}
    paths = (await app.client.get("/openapi.json")).json()["paths"]
    assert {"/healthz", "/readyz", "/metrics", "/v1/track", "/v1/t", "/v1/batch", "/v1/import"} <= set(paths)


async def test_every_route_says_what_it_answers_and_takes(app: Served) -> None:
    document = (await app.client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer", "token"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert {"200", "405"} <= set(operation["responses"]), path
            assert "HTTPValidationError" not in str(operation), path
            if method == "post" and operation["tags"] == ["ingest"]:
                assert operation["requestBody"]["content"].keys() == {"application/json", "text/plain"}
                assert {} in operation["security"]


async def test_what_goes_past_the_framework_is_a_route_of_it_too(app: Served) -> None:
    paths = (await app.client.get("/openapi.json")).json()["paths"]
    assert app.direct
    assert all(("get" if path.endswith(ID) else "post") in paths[path] for path in app.direct)
    is_flat(await app.client.post("/v1/customers/{id}"), 405, "method_not_allowed")
    is_flat(await app.client.get("/v1/batch"), 405, "method_not_allowed")


async def test_load_balancers_may_ask_without_a_body(app: Served) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await app.client.head(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        refused = await app.client.post(path)
        is_flat(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == "GET, HEAD"
    assert (await app.client.get("/v1/batch")).headers["allow"] == "POST"


async def _schema_of_ids(app: Served) -> dict[str, Any]:
    track = (await app.client.get("/openapi.json")).json()["paths"]["/v1/track"]["post"]
    found: dict[str, Any] = track["requestBody"]["content"]["application/json"]["schema"]["properties"]["userId"]
    return found


@pytest.mark.parametrize("named", ["x" * 64, "x" * 256, "é" * 64, "🦊" * 64])
async def test_an_id_that_the_document_allows_is_taken(app: Served, named: str) -> None:
    schema = await _schema_of_ids(app)
    jsonschema.validate(named, schema)
    assert (await app.post("/v1/track", {**TRACK, "userId": named})).status_code == 200


@pytest.mark.parametrize("named", ["", "x" * 257, "🦊" * 65])
async def test_an_id_that_is_refused_is_not_allowed_by_the_document(app: Served, named: str) -> None:
    schema = await _schema_of_ids(app)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(named, schema)
    assert (await app.post("/v1/track", {**TRACK, "userId": named})).status_code == 400


async def test_readiness_names_what_is_away(app: Served) -> None:
    app.keys.away, app.broker.producer = True, None
    content = is_flat(await app.client.get("/readyz"), 503, "not_ready")
    assert [fault["path"] for fault in content["errors"]] == ["broker", "redis"]


async def test_measures_name_routes_not_paths(app: Served) -> None:
    await app.post("/v1/batch/", {"batch": [{"type": "track", **TRACK}, {"type": "x"}]})
    await app.client.get(f"/v1/projects/{WRITE}/settings")
    await app.client.get(f"/v2/{WRITE}")
    text = (await app.client.get("/metrics")).text
    assert WRITE not in text
    assert 'segue_http_requests_total{method="POST",route="/v1/batch",status="200"} 1.0' in text
    assert 'segue_http_requests_total{method="GET",route="/v1/projects/{key}/settings",status="200"} 1.0' in text
    assert 'segue_http_requests_total{method="any",route="other",status="404"} 1.0' in text
    assert 'segue_ingest_events_total{outcome="taken"} 1.0' in text
    assert 'segue_ingest_events_total{outcome="rejected"} 1.0' in text
    assert re.search(r"segue_ingest_in_flight_bytes 0\.0", text)


# keys


def basic(user: str, password: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("header", [basic(WRITE), f"Bearer {WRITE}", f"bearer  {WRITE}"])
async def test_a_write_key_comes_in(app: Served, header: str) -> None:
    answer = await app.post("/v1/track", TRACK, headers={"Authorization": header}, auth=None)
    assert answer.json() == {"success": True}


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", basic(WRITE, "password"), f"Digest {WRITE}", "Bearer", "Bearer x", "Bearer é",
     f"Bearer {READ}", basic(ADMIN), "Bearer " + "x" * 5_000, basic("")],
)  # fmt: skip
async def test_another_key_does_not_whatever_the_body_says(app: Served, header: str) -> None:
    body = {**TRACK, "writeKey": WRITE}
    answer = await app.post("/v1/track", body, headers={"Authorization": header.encode()}, auth=None)
    is_flat(answer, 401, "wrong_key")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "a admin" not in answer.text
    assert app.producer.taken == []


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch"])
async def test_the_key_may_stand_in_the_body(app: Served, path: str) -> None:
    body: dict[str, Any] = TRACK if path == "/v1/track" else {"batch": [{"type": "track", **TRACK}]}
    assert (await app.post(path, {**body, "writeKey": WRITE}, auth=None)).status_code == 200
    is_flat(await app.post(path, {**body, "writeKey": READ}, auth=None), 401, "wrong_key")
    is_flat(await app.post(path, body, auth=None), 401, "wrong_key")
    is_flat(await app.post(path, b"no JSON", auth=None), 401, "wrong_key")
    assert WRITE.encode() not in b"".join(app.producer.values())


async def test_a_wrong_key_is_refused_before_the_body_is_read(app: Served) -> None:
    async def body() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    is_flat(await app.client.post("/v1/track", content=body(), headers={"Authorization": "Bearer x"}), 401, "wrong_key")


async def test_known_keys_outlive_redis_and_unknown_ones_wait(app: Served) -> None:
    assert (await app.post("/v1/track", TRACK)).status_code == 200
    app.keys.away = True
    assert (await app.post("/v1/track", TRACK)).status_code == 200
    answer = await app.post("/v1/track", TRACK, auth=("another", ""))
    is_flat(answer, 503, "keys_unchecked")
    assert int(answer.headers["retry-after"]) >= 1


async def test_where_redis_was_never_there_all_wait(app: Served) -> None:
    app.keys.away = True
    is_flat(await app.post("/v1/track", TRACK), 503, "keys_unchecked")


async def test_a_new_key_is_known_at_once_and_a_flood_of_wrong_ones_asks_little() -> None:
    store = FakeKeys()
    ring = KeyRing(store.load)
    answers = await asyncio.gather(*[ring.check(f"wrong-{n}", "write") for n in range(500)], return_exceptions=True)
    assert {str(answer)[:13] for answer in answers} == {"401 wrong_key"}
    assert store.loads == 2  # the first one had begun when the others came
    row, store.rows = store.rows[0], store.rows[1:]
    await asyncio.gather(ring.check("wrong", "write"), return_exceptions=True)
    with pytest.raises(HttpError, match="401"):
        await ring.check(WRITE, "write")
    store.rows.append(row)
    assert (await ring.check(WRITE, "write")).name == "w"


async def test_a_failed_question_is_nobodys_answer() -> None:
    store = FakeKeys()
    ring = KeyRing(store.load)
    store.away = True
    answers = await asyncio.gather(*[ring.check(WRITE, "write") for _ in range(3)], return_exceptions=True)
    assert {str(answer)[:18] for answer in answers} == {"503 keys_unchecked"}
    store.away = False
    assert (await ring.check(WRITE, "write")).kind == "write"


async def test_keys_are_refreshed_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.http.keyring.REFRESH_S", 0.0)
    store = FakeKeys()
    ring = KeyRing(store.load)
    async with ring.kept_fresh():
        await asyncio.sleep(0.01)
        assert store.loads > 2
        store.rows.clear()
        await asyncio.sleep(0.01)
        with pytest.raises(HttpError, match="401"):
            await ring.check(WRITE, "write")


def test_a_header_that_holds_no_key_gives_none() -> None:
    assert key_in_header("Basic " + base64.b64encode(b"\xff:").decode()) is None
    assert key_in_header("Basic " + base64.b64encode(b"only").decode()) == "only"


# origins


async def test_pages_of_configured_origins_may_send() -> None:
    async with served(http_origins=["https://shop.example"]) as app:
        asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
        answer = await app.client.options(
            "/v1/t", headers={**asked, "Access-Control-Request-Headers": "authorization,content-type,x-retry-count"}
        )
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        is_flat(
            await app.client.options("/v1/t", headers={**asked, "Origin": "https://else.example"}), 400, "bad_origin"
        )
        for header, value in (("Method", "PUT"), ("Headers", "x-own")):
            refused = {**asked, f"Access-Control-Request-{header}": value}
            content = is_flat(await app.client.options("/v1/t", headers=refused), 400, "bad_preflight")
            assert header.lower() in content["message"]
            assert "SEGUE_HTTP_ORIGINS" not in content["message"]
        for key, status in ((WRITE, 200), ("wrong", 401)):
            answer = await app.post("/v1/t", TRACK, auth=(key, ""), headers={"Origin": "https://shop.example"})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
            assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_without_configured_origins_no_page_may(app: Served) -> None:
    answer = await app.post("/v1/t", TRACK, headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers
