"""Lookup's routes over a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import orjson
import pytest
import pytest_asyncio

from rules.errors import ServiceError, StateError
from rules.load import load_text
from state.engine import Engine
from state.event import Event
from state.memory import MemoryStore
from state.store import Commit
from state.view import encode_view
from streams.http.app import make_app
from streams.http.callers import Callers
from streams.http.keyring import KeyRing
from streams.http.lookup.edge import routes
from streams.http.lookup.views import view_of
from streams.http.parts import HttpParts
from streams.replay.sender import partition_of
from streams.settings import Settings
from tests.conformance.store import STRANGE_IDS
from tests.unit.http_fakes import ADMIN, READ, WRITE, FakeBroker, FakeHistory, FakeKeys, is_flat, no_tokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from state.history import History
    from streams.http.broker import Broker

LOOKUP = "/v1/customers/lookup"


class Shop(MemoryStore):
    """A store whose views a test writes; `away` it does not answer."""

    away = False

    async def show(self, customer: str, seq: int = 1) -> dict[str, Any]:
        view = {"rev": seq, "customer_id": customer, "segments": [], "seq": seq}
        await self.write_views({customer: encode_view(view)})
        return view

    async def view(self, customer: str) -> bytes | None:
        if self.away:
            message = "no answer from redis://secret-host"
            raise ServiceError(message)
        return await super().view(customer)


@pytest.fixture
def store() -> Shop:
    return Shop()


@contextlib.asynccontextmanager
async def asked(store: MemoryStore, key: str = READ, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Run lookup over a store, and a client with a key."""
    keys = FakeKeys()
    parts = HttpParts(Settings(**settings), KeyRing(keys.load), cast("Broker", FakeBroker()))
    app = make_app(parts, {})
    history = cast("History", FakeHistory())
    app.include_router(routes(parts, store, store, history, Callers(parts.keys, no_tokens(parts.keys))))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://segue", auth=(key, "")) as client:
        yield client


@pytest_asyncio.fixture
async def client(store: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with asked(store) as running:
        yield running


async def test_a_view_is_answered_as_it_is_stored(client: httpx.AsyncClient, store: Shop) -> None:
    view = await store.show("c42")
    for path in ("/v1/customers/c42", "/v1/customers/c42/"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json() == view


async def test_an_unknown_customer_is_a_flat_404(client: httpx.AsyncClient) -> None:
    content = is_flat(await client.get("/v1/customers/nobody"), 404, "unknown_customer")
    assert content["path"] == "id"


@pytest.mark.parametrize(
    "customer", [*STRANGE_IDS, "a/b", "a/", "/a", "//", "a/explain", "lookup", "a%2Fb", "a?b#c", "a+b", "..", "%"]
)
async def test_an_id_may_hold_anything(client: httpx.AsyncClient, store: Shop, customer: str) -> None:
    quoted = "".join(f"%{byte:02X}" for byte in customer.encode())
    assert (await client.get(f"/v1/customers/{quoted}")).status_code == 404
    view = await store.show(customer)
    assert (await client.get(f"/v1/customers/{quoted}")).json() == view
    if customer != "..":
        assert (await client.get(f"/v1/customers/{quote(customer, safe='')}")).json() == view
    assert (await client.post(LOOKUP, json={"ids": [customer]})).json() == {"customers": {customer: view}}


async def test_an_id_that_is_no_text_and_none_at_all_are_refused(client: httpx.AsyncClient) -> None:
    is_flat(await client.get("/v1/customers/%FF"), 400, "bad_id")
    is_flat(await client.get("/v1/customers/%ED%A0%80"), 400, "bad_id")
    is_flat(await client.get("/v1/customers/"), 404, "not_found")
    is_flat(await client.get("/v1/customers//c42"), 404, "not_found")
    is_flat(await client.get("/v1/custom%65rs/c42"), 404, "not_found")


async def test_a_customer_may_be_called_as_a_route_is(client: httpx.AsyncClient, store: Shop) -> None:
    view = await store.show("lookup")
    assert (await client.get(LOOKUP)).json() == view
    answer = await client.delete(LOOKUP)
    is_flat(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_the_short_way_and_the_frameworks_answer_the_same(client: httpx.AsyncClient, store: Shop) -> None:
    await store.show("a/b")
    for path in ("a%2Fb", "nobody", "%FF", "a%2Fb/"):
        for key in (READ, WRITE):
            short = await client.get(f"/v1/customers/{path}", auth=(key, ""))
            long = await client.get(f"/v1/customers/{path}?wait_for_seq=0", auth=(key, ""))
            assert (short.status_code, short.content) == (long.status_code, long.content)
            assert short.headers.get("www-authenticate") == long.headers.get("www-authenticate")
    counted = (await client.get("/metrics")).text
    assert counted.count('segue_http_requests_total{method="GET",route="/v1/customers/{id}"') == 4


async def test_a_defect_on_the_short_way_is_flat_measured_and_raised_for_the_log(
    client: httpx.AsyncClient, store: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(customer: str) -> bytes:
        raise StateError(customer)

    monkeypatch.setattr(store, "view", broken)
    for path in ("c1", "c1?wait_for_seq=0"):
        is_flat(await client.get(f"/v1/customers/{path}"), 500, "internal")
    counted = (await client.get("/metrics")).text
    assert 'segue_http_requests_total{method="GET",route="/v1/customers/{id}",status="500"} 2.0' in counted
    raising = httpx.ASGITransport(client._transport.app)  # type: ignore[attr-defined]  # noqa: SLF001 - asked() made it
    async with httpx.AsyncClient(transport=raising, base_url="http://segue", auth=(READ, "")) as server:
        with pytest.raises(StateError):
            await server.get("/v1/customers/c1")


async def test_a_page_is_told_that_it_may_read_what_the_short_way_answers(store: Shop) -> None:
    await store.show("c1")
    async with asked(store, http_origins=["https://shop.example"]) as client:
        for customer, status in (("c1", 200), ("nobody", 404)):
            answer = await client.get(f"/v1/customers/{customer}", headers={"Origin": "https://shop.example"})
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in (await client.get("/v1/customers/c1")).headers


async def test_many_are_looked_up_at_once(client: httpx.AsyncClient, store: Shop) -> None:
    views = {customer: await store.show(customer) for customer in ("c1", "c2")}
    answer = await client.post(LOOKUP, json={"ids": ["c1", "nobody", "c2", "c1"]})
    assert answer.json() == {"customers": {"c1": views["c1"], "nobody": None, "c2": views["c2"]}}
    assert (await client.post(LOOKUP, json={"ids": []})).json() == {"customers": {}}


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        (b"{", 400, "not_json", None),
        (b"", 400, "not_json", None),
        (b'{"ids": ["\xff"]}', 400, "not_json", None),
        (b'{"ids": ["\\ud800"]}', 400, "not_json", None),
        (b"[" * 100_000, 400, "not_json", None),
        (b"[]", 400, "not_object", None),
        (b"{}", 422, "invalid", "ids"),
        (b'{"ids": "c1"}', 422, "invalid", "ids"),
        (b'{"ids": ["c1", 2]}', 422, "invalid", "ids[1]"),
        (b'{"ids": ["c1", "", null]}', 422, "invalid", "ids[1]"),
        (orjson.dumps({"ids": ["c"] * 101}), 422, "invalid", "ids"),
        (b" " * 5_000_000, 413, "body_too_large", None),
    ],
)
async def test_what_is_wrong_with_a_lookup_is_named(
    client: httpx.AsyncClient, body: bytes, status: int, code: str, path: str | None
) -> None:
    assert is_flat(await client.post(LOOKUP, content=body), status, code).get("path") == path


@pytest.mark.parametrize("key", [WRITE, ADMIN, "nobodys"])
async def test_only_a_read_key_looks_up(store: Shop, key: str) -> None:
    await store.show("c42")
    async with asked(store, key) as client:
        is_flat(await client.get("/v1/customers/c42"), 401, "wrong_key")
        is_flat(await client.get("/v1/customers/c42?wait_for_seq=x"), 401, "wrong_key")
        is_flat(await client.post(LOOKUP, content=b"{"), 401, "wrong_key")


async def test_a_store_that_is_away_is_a_503_that_tells_no_address(client: httpx.AsyncClient, store: Shop) -> None:
    store.away = True
    for answer in (await client.get("/v1/customers/c42"), await client.post(LOOKUP, json={"ids": ["c42"]})):
        is_flat(answer, 503, "redis_away")
        assert int(answer.headers["retry-after"]) >= 1
        assert "secret-host" not in answer.text


async def test_a_newer_view_is_waited_for(client: httpx.AsyncClient, store: Shop) -> None:
    await store.show("c42", 1)
    assert (await client.get("/v1/customers/c42?wait_for_seq=1")).json()["seq"] == 1
    waiting = asyncio.create_task(client.get("/v1/customers/c42?wait_for_seq=3"))
    new = asyncio.create_task(client.get("/v1/customers/c43?wait_for_seq=1"))
    await asyncio.sleep(0.03)
    assert not waiting.done()
    await store.show("c42", 3)
    await store.show("c43", 1)
    assert (await waiting).json()["seq"] == 3
    assert (await new).json()["seq"] == 1


async def test_after_the_wait_what_there_is_is_answered(store: Shop) -> None:
    view = await store.show("c42", 1)
    assert orjson.loads(await view_of(store, "c42", 2, 0.05) or b"") == view
    assert await view_of(store, "nobody", 1, 0.05) is None


@pytest.mark.parametrize("seq", ["-1", "x", "1.5", "9007199254740993"])
async def test_what_is_no_seq_is_refused(client: httpx.AsyncClient, seq: str) -> None:
    content = is_flat(await client.get(f"/v1/customers/c42?wait_for_seq={seq}"), 422, "invalid")
    assert content["path"] == "wait_for_seq"


async def test_an_unknown_customer_and_no_ruleset_cannot_be_explained(client: httpx.AsyncClient, store: Shop) -> None:
    answer = await client.get("/v1/customers/c42/explain")
    is_flat(answer, 503, "no_ruleset")
    assert int(answer.headers["retry-after"]) >= 1
    ruleset = load_text("segments: [{key: seen, when: {did: {event: '*'}}}]")
    await store.activate(ruleset.version, ruleset.source)
    is_flat(await client.get("/v1/customers/c42/explain"), 404, "unknown_customer")


async def test_a_customer_is_explained_by_the_active_ruleset(client: httpx.AsyncClient, store: Shop) -> None:
    for number, key in enumerate(("seen", "known"), 1):
        ruleset = load_text(f"segments: [{{key: {key}, when: {{did: {{event: '*'}}}}}}]")
        await store.activate(ruleset.version, ruleset.source)
        engine, customer = Engine(ruleset), "a/explain"
        profile = engine.new(customer)
        engine.apply(profile, Event(customer, "Seen", "track", 0, 0, {}))
        partition = partition_of(customer.encode(), Settings().partitions)
        head = await store.take_over(partition)
        await store.commit(
            Commit(
                partition=partition,
                epoch=head.epoch,
                number=number,
                token=key,
                ruleset=number,
                from_offset=head.offset,
                next_offset=number,
                profiles={customer: engine.encode(profile)},
            )
        )
        for query in ("", f"?segment={key}"):
            content = (await client.get(f"/v1/customers/a%2Fexplain/explain{query}")).json()
            assert content["customer_id"] == customer
            assert [(one["segment"], one["in"]) for one in content["segments"]] == [(key, True)]
        assert await store.load(partition, [customer]) == [engine.encode(profile)]
    is_flat(await client.get("/v1/customers/a%2Fexplain/explain?segment=knwon"), 404, "unknown_segment")


CATALOGUE = """\
segments:
  - {key: seen, name: Seen, description: anybody, when: {did: {event: '*'}}}
  - {key: loyal, when: {did: {event: Bought}}}
segmentations:
  - {key: stage, name: Stage, segments: [loyal], otherwise: visitor}
models:
  - key: kinds
    kind: clusters
    k: 3
    as_segmentation: true
    labels: {c1: Regulars}
    sample: {on: [Bought], every: 90d}
    features: {orders: {did: {event: Bought, within: 365d}}}
"""


async def test_segments_are_listed_with_their_sizes_over_all_partitions(client: httpx.AsyncClient, store: Shop) -> None:
    is_flat(await client.get("/v1/segments"), 503, "no_ruleset")
    ruleset = load_text(CATALOGUE)
    await store.activate(ruleset.version, ruleset.source)
    for partition in range(2):
        head = await store.take_over(partition)
        sizes = {"seen": 2, "stage.visitor": 2, "kinds.c3": 1, "gone": 4}
        await store.commit(
            Commit(
                partition=partition,
                epoch=head.epoch,
                number=1,
                token="t",  # noqa: S106 - a commit's, no secret
                ruleset=1,
                from_offset=head.offset,
                next_offset=1,
                sizes=sizes,
            )
        )
    content = (await client.get("/v1/segments")).json()
    assert content["ruleset"] == ruleset.version
    found = [(one["segmentation"], one["segment"], one["name"], one["size"]) for one in content["segments"]]
    assert found == [
        (None, "seen", "Seen", 4),
        ("kinds", "c1", "Regulars", 0),
        ("stage", "loyal", "loyal", 0),
        ("stage", "visitor", "visitor", 4),
        ("kinds", "c3", "c3", 2),
    ]
    assert content["segments"][0]["description"] == "anybody"
    assert content["segments"][0]["definition"]["when"] == {"did": {"event": "*"}}
    assert content["segments"][3]["definition"] is None
    assert [(one["key"], one["name"], one["segments"]) for one in content["segmentations"]] == [
        ("kinds", "kinds", None),
        ("stage", "Stage", ["loyal"]),
    ]


def paths_of(document: dict[str, Any]) -> Sequence[str]:
    return sorted(path for path in document["paths"] if path.startswith("/v1/"))


async def test_openapi_has_the_routes(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert paths_of(document) == [
        "/v1/customers/lookup",
        "/v1/customers/{id}",
        "/v1/customers/{id}/changes",
        "/v1/customers/{id}/explain",
        "/v1/segments",
        "/v1/segments/{key}/customers",
    ]
    one = document["paths"]["/v1/customers/{id}"]["get"]
    assert {parameter["name"] for parameter in one["parameters"]} == {"id", "wait_for_seq"}
    assert {"200", "401", "404", "422", "503"} <= set(one["responses"])
    many = document["paths"]["/v1/customers/lookup"]["post"]["requestBody"]
    assert many["content"]["application/json"]["schema"]["properties"]["ids"]["maxItems"] == 100
