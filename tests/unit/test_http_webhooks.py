"""The routes of webhooks over endpoints in memory."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import pytest_asyncio

from rules.load import load_text
from state.memory import MemoryStore
from streams.http.app import make_app
from streams.http.keyring import KeyRing
from streams.http.parts import HttpParts
from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.manage import MOST_ENDPOINTS, Managing
from streams.http.webhooks.names import Names
from streams.http.webhooks.routes import routes
from streams.http.webhooks.signing import check_secret, make_secret
from streams.settings import Settings
from tests.unit.http_fakes import ADMIN, READ, WRITE, FakeBroker, FakeKeys, is_flat
from tests.unit.webhook_admin_fakes import NOW_MS, FakeDeliveries, FakeEndpoints, FakeSender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from state.webhooks.endpoints import Endpoints
    from streams.http.broker import Broker

WEBHOOKS = "/v1/webhooks"
URL = "https://hooks.example.com/segue"
RULES = """
segments: [{key: vip, when: {did: {event: Paid}}}, {key: loyal, when: {did: {event: Paid}}}]
segmentations: [{key: stage, segments: [loyal], otherwise: visitor}]
"""


class App:
    """The app, and what stands behind it."""

    def __init__(self, client: httpx.AsyncClient, deliveries: FakeDeliveries, sender: FakeSender) -> None:
        self.client = client
        self.deliveries = deliveries
        self.endpoints = deliveries.endpoints
        self.sender = sender

    async def made(self, **more: Any) -> dict[str, Any]:
        answer = await self.client.post(WEBHOOKS, json={"url": URL, **more})
        assert answer.status_code == 201, answer.text
        return cast("dict[str, Any]", answer.json())


@contextlib.asynccontextmanager
async def running(key: str = ADMIN, **settings: Any) -> AsyncIterator[App]:
    keys, endpoints, sender, store = FakeKeys(), FakeEndpoints(), FakeSender(), MemoryStore()
    deliveries = FakeDeliveries(endpoints)
    ruleset = load_text(RULES)
    await store.activate(ruleset.version, ruleset.source)
    parts = HttpParts(Settings(**settings), KeyRing(keys.load), cast("Broker", FakeBroker()))
    names = Names(store, parts.settings)
    managing = Managing(cast("Endpoints", endpoints), deliveries, sender, names, lambda: NOW_MS)
    app = make_app(parts, {})
    app.include_router(routes(parts, managing))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://segue", auth=(key, "")) as client:
        yield App(client, deliveries, sender)


@pytest_asyncio.fixture
async def app() -> AsyncIterator[App]:
    async with running() as found:
        yield found


async def test_an_endpoint_is_made_with_what_is_sensible_and_its_secret_is_shown_once(app: App) -> None:
    made = await app.made()
    identity, secret = made["id"], made.pop("secret")
    assert made == {
        "id": identity,
        "url": URL,
        "segments": ["*"],
        "changes": ["entered", "exited"],
        "causes": ["event", "timer"],
        "traits": [],
        "headers": {},
        "max_per_second": None,
        "max_waiting": 100_000,
        "enabled": True,
        "disabled": None,
        "failing_since": None,
        "created_at": "2026-03-01T12:00:00.000Z",
        "rotated_at": None,
        "old_secret_signs_until": None,
        "warnings": [],
    }
    assert check_secret(secret) == secret == app.endpoints.kept[identity].secret
    assert app.deliveries.asked == [("add", False)]
    one = (await app.client.get(f"{WEBHOOKS}/{identity}")).json()
    assert one.pop("deliveries") == {
        "waiting": 3,
        "dead": 0,
        "delivered": 10,
        "retries": 2,
        "spent": 1,
        "next_attempt_at": "2026-03-01T12:00:00.000Z",
        "last": {"at": "2026-03-01T12:00:00.000Z", "status": 500, "failure": None, "shown": "no"},
    }
    assert one == made
    del made["warnings"]
    assert (await app.client.get(WEBHOOKS)).json() == {"webhooks": [made]}


async def test_all_of_it_can_be_said(app: App) -> None:
    said = {
        "url": "https://hooks.example.com:8443/a?b=c",
        "segments": ["vip", "stage.loyal", "stage", "vip"],
        "changes": ["exited"],
        "causes": ["definition", "timer"],
        "traits": ["email", "email"],
        "headers": {"Authorization": "Bearer abc", "X-Team": "crm"},
        "max_per_second": 2.5,
        "max_waiting": 10,
        "secret": make_secret(),
        "enabled": False,
    }
    made = await app.made(**said, backfill=True)
    assert {name: made[name] for name in said} == {
        **said,
        "segments": ["vip", "stage.loyal", "stage"],
        "traits": ["email"],
        "headers": {"Authorization": "***", "X-Team": "***"},
    }
    assert made["disabled"] == {"reason": "asked", "at": "2026-03-01T12:00:00.000Z"}
    assert app.deliveries.asked == [("add", True)]
    assert app.endpoints.kept[made["id"]].headers == said["headers"]


async def test_no_answer_but_the_first_shows_a_secret(app: App) -> None:
    made = await app.made(headers={"Authorization": "Bearer tell-nobody"})
    place = f"{WEBHOOKS}/{made['id']}"
    rotated = (await app.client.post(f"{place}/rotate")).json()
    assert rotated["secret"] not in (made["secret"], None)
    assert rotated["old_secret_signs_until"].startswith("2026-03-02T12:00")
    answers = [
        await app.client.get(WEBHOOKS),
        await app.client.get(place),
        await app.client.patch(place, json={"traits": ["email"]}),
        await app.client.post(f"{place}/test"),
        await app.client.get(f"{place}/dead"),
        await app.client.patch(place, json={"enabled": False}),
        await app.client.delete(place),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        for secret in (made["secret"], rotated["secret"], "tell-nobody"):
            assert secret not in answer.text


async def test_a_given_secret_is_taken_and_rotated_to(app: App) -> None:
    secrets = [make_secret(), make_secret()]
    made = await app.made(secret=secrets[0])
    answer = await app.client.post(f"{WEBHOOKS}/{made['id']}/rotate", json={"secret": secrets[1]})
    kept = app.endpoints.kept[made["id"]]
    assert [made["secret"], answer.json()["secret"]] == secrets == [kept.previous_secret, kept.secret]


@pytest.mark.parametrize(
    ("said", "path", "message"),
    [
        ({}, "url", "Field required"),
        ({"url": 7}, "url", "valid string"),
        ({"url": "http://hooks.example.com"}, "url", "SEGUE_WEBHOOKS_HTTP"),
        ({"url": "https://10.0.0.1/"}, "url", "SEGUE_WEBHOOKS_NETWORKS"),
        ({"url": "https://u:p@hooks.example.com"}, "url", "Authorization header"),
        ({"url": URL, "segments": []}, "segments", "at least 1"),
        ({"url": URL, "segments": [""]}, "segments[0]", "at least 1"),
        ({"url": URL, "segments": "*"}, "segments", "valid array"),
        ({"url": URL, "segments": ["x"] * 501}, "segments", "at most 500"),
        ({"url": URL, "changes": ["left"]}, "changes[0]", "'entered' or 'exited'"),
        ({"url": URL, "causes": []}, "causes", "at least 1"),
        ({"url": URL, "max_per_second": 0}, "max_per_second", "greater than or equal to 0.001"),
        ({"url": URL, "max_waiting": 0}, "max_waiting", "greater than or equal to 1"),
        ({"url": URL, "secret": "hunter2"}, "secret", "whsec_"),
        ({"url": URL, "enabled": "yes"}, "enabled", "valid boolean"),
        ({"url": URL, "rate": 3}, "rate", "not permitted"),
        ({"url": URL, "headers": {"Host": "x"}}, "headers", "set by segue itself"),
        ({"url": URL, "headers": {"Webhook-Id": "x"}}, "headers", "set by segue itself"),
        ({"url": URL, "headers": {"transfer-encoding": "x"}}, "headers", "set by segue itself"),
        ({"url": URL, "headers": {"a b": "x"}}, "headers", "no name of a header"),
        ({"url": URL, "headers": {"": "x"}}, "headers", "no name of a header"),
        ({"url": URL, "headers": {"A": "x\r\nB: y"}}, "headers", "printable ASCII"),
        ({"url": URL, "headers": {"A": "ü"}}, "headers", "printable ASCII"),
        ({"url": URL, "headers": {"A": ""}}, "headers", "printable ASCII"),
        ({"url": URL, "headers": {"A": "x" * 4_097}}, "headers", "printable ASCII"),
        ({"url": URL, "headers": {"A": "x", "a": "y"}}, "headers", "there twice"),
        ({"url": URL, "headers": {f"A{n}": "x" for n in range(21)}}, "headers", "at most 20"),
        ({"url": URL, "headers": {f"A{n}": "x" * 4_000 for n in range(3)}}, "headers", "all headers together"),
        ({"url": URL, "headers": {"A": "***"}}, "", "A has no value"),
        ({"url": URL, "headers": {"A": None}}, "", "A has no value"),
    ],
)
async def test_what_is_wrong_is_named_with_its_place(app: App, said: dict[str, Any], path: str, message: str) -> None:
    content = is_flat(await app.client.post(WEBHOOKS, json=said), 422, "invalid")
    assert content["path"] == path
    assert message in content["message"]
    assert app.endpoints.kept == {}


async def test_what_is_no_json_object_is_400(app: App) -> None:
    is_flat(await app.client.post(WEBHOOKS, content=b"{"), 400, "not_json")
    is_flat(await app.client.post(WEBHOOKS, content=b"[]"), 400, "not_object")
    is_flat(await app.client.post(WEBHOOKS, content=b"[" * 100_000), 400, "not_json")
    is_flat(await app.client.post(WEBHOOKS, content=b"x" * 5_000_000), 413, "body_too_large")


async def test_settings_allow_http_to_this_machine() -> None:
    async with running(webhooks_http=True, webhooks_networks=["127.0.0.0/8"]) as app:
        assert (await app.made(url="http://localhost:9000/x"))["url"] == "http://localhost:9000/x"


async def test_a_segment_that_is_none_is_warned_of(app: App) -> None:
    made = await app.made(segments=["vip", "stage", "stage.loyal", "loyal", "vpi", "gone"])
    assert made["warnings"] == [
        "the active ruleset has no segment 'vpi': nothing is sent of it until one has; did you mean vip?",
        "the active ruleset has no segment 'gone': nothing is sent of it until one has",
    ]
    changed = await app.client.patch(f"{WEBHOOKS}/{made['id']}", json={"segments": ["vip"]})
    assert changed.json()["warnings"] == []


async def test_what_is_changed_is_changed_alone(app: App) -> None:
    made = await app.made(headers={"A": "1", "B": "2", "C": "3"}, max_per_second=5, segments=["vip"])
    place, before = f"{WEBHOOKS}/{made['id']}", app.endpoints.kept[made["id"]]
    for nothing in ({}, {"headers": {"A": "***"}}, {"url": None, "enabled": None}):
        assert (await app.client.patch(place, json=nothing)).status_code == 200
        assert app.endpoints.kept[made["id"]] == before
    said = {"headers": {"a": "9", "B": None, "D": "4"}, "max_per_second": None, "segments": ["*"], "causes": ["event"]}
    changed = (await app.client.patch(place, json=said)).json()
    assert changed["headers"] == {"a": "***", "C": "***", "D": "***"}
    kept = app.endpoints.kept[made["id"]]
    assert kept.headers == {"a": "9", "C": "3", "D": "4"}
    assert (kept.max_per_second, kept.segments, kept.causes) == (None, ("*",), ("event",))
    assert (kept.secret, kept.url, kept.created_ms) == (before.secret, before.url, before.created_ms)
    many = {"headers": {f"H{n}": "x" for n in range(18)}}
    assert is_flat(await app.client.patch(place, json=many), 422, "invalid")["path"] == "headers"
    is_flat(await app.client.patch(place, json={"secret": make_secret()}), 422, "invalid")


async def test_enabling_says_where_it_goes_on(app: App) -> None:
    made = await app.made()
    place = f"{WEBHOOKS}/{made['id']}"
    disabled = (await app.client.patch(place, json={"enabled": False})).json()
    assert (disabled["enabled"], disabled["disabled"]["reason"]) == (False, "asked")
    content = is_flat(await app.client.patch(place, json={"enabled": True, "traits": ["email"]}), 422, "invalid")
    assert content["path"] == "resume"
    assert app.endpoints.kept[made["id"]].traits == ()
    is_flat(await app.client.patch(place, json={"resume": "here"}), 422, "invalid")
    for resume in ("here", "now"):
        enabled = (await app.client.patch(place, json={"enabled": True, "resume": resume})).json()
        assert (enabled["enabled"], enabled["disabled"]) == (True, None)
        await app.client.patch(place, json={"enabled": False})
    assert [what for what in app.deliveries.asked if what[0] == "enable"] == [("enable", "here"), ("enable", "now")]


async def test_there_are_only_so_many(app: App) -> None:
    for _ in range(MOST_ENDPOINTS):
        await app.made()
    is_flat(await app.client.post(WEBHOOKS, json={"url": URL}), 409, "too_many_webhooks")


async def test_a_sample_is_sent_and_what_came_back_is_shown(app: App) -> None:
    made = await app.made(segments=["stage.loyal"], changes=["exited"], traits=["email", "city"])
    place = f"{WEBHOOKS}/{made['id']}/test"
    told = (await app.client.post(place)).json()
    ((endpoint, identity, _, at_s),) = app.sender.sent
    assert (endpoint.id, at_s) == (made["id"], NOW_MS // 1000)
    sent = told.pop("sent")
    assert told == {
        "delivered": True,
        "status": 200,
        "failure": None,
        "shown": "ok",
        "seconds": 0.012,
        "webhook_id": identity,
    }
    assert (sent["type"], sent["timestamp"]) == ("segment.exited", "2026-03-01T12:00:00.000Z")
    data = sent["data"]
    assert (data["segment"], data["segmentation"], data["change"], data["test"]) == ("loyal", "stage", "exited", True)
    assert data["traits"] == {"email": "c@example.com", "city": "sample"}
    app.sender.outcome = Outcome(failure="timeout", shown="no answer within 15 s", seconds=15.0)
    told = (await app.client.post(place)).json()
    assert (told["delivered"], told["status"], told["failure"]) == (False, None, "timeout")


async def test_only_so_many_tests_run_at_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    made, go_on = await app.made(), asyncio.Event()

    async def hang(*_: object, **__: object) -> Outcome:
        await go_on.wait()
        return Outcome(status=200)

    monkeypatch.setattr(app.sender, "send", hang)
    place = f"{WEBHOOKS}/{made['id']}/test"
    asking = [asyncio.create_task(app.client.post(place)) for _ in range(11)]
    done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    (refused,) = [task.result() for task in done]
    is_flat(refused, 429, "too_many_tests")
    go_on.set()
    assert sorted(answer.status_code for answer in await asyncio.gather(*asking)) == [200] * 10 + [429]


async def test_spent_deliveries_are_listed_and_sent_again(app: App) -> None:
    made = await app.made()
    place = f"{WEBHOOKS}/{made['id']}/dead"
    for number in range(3):
        app.deliveries.spend(number)
    answer = (await app.client.get(place, params={"limit": 2})).json()
    assert [one["id"] for one in answer["dead"]] == ["d-0", "d-1"]
    assert answer["more"] is True
    assert answer["dead"][0] == {
        "id": "d-0",
        "customer_id": "c42",
        "spent_at": "2026-03-01T12:00:00.000Z",
        "tries": 10,
        "status": 500,
        "failure": None,
        "shown": "no",
        "body": {"type": "segment.entered"},
    }
    is_flat(await app.client.get(place, params={"limit": 0}), 422, "invalid")
    assert (await app.client.post(f"{place}/d-1/resend")).json() == {"resent": 1}
    is_flat(await app.client.post(f"{place}/d-1/resend"), 404, "unknown_delivery")
    assert (await app.client.post(f"{place}/all/resend")).json() == {"resent": 2}
    assert (await app.client.post(f"{place}/all/resend")).json() == {"resent": 0}
    assert (await app.client.get(place)).json() == {"dead": [], "more": False}


ROUTES = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "/test"),
    ("POST", "/rotate"),
    ("GET", "/dead"),
    ("POST", "/dead/all/resend"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_of_one_that_is_none_nothing_is_to_be_had(app: App, method: str, path: str) -> None:
    is_flat(await app.client.request(method, f"{WEBHOOKS}/ep_none{path}", json={}), 404, "unknown_webhook")


@pytest.mark.parametrize("key", [WRITE, READ, "another"])
async def test_all_of_it_is_for_the_admin_key(key: str) -> None:
    async with running(key) as app:
        for method, path in [("GET", None), ("POST", None), *ROUTES]:
            place = WEBHOOKS if path is None else f"{WEBHOOKS}/ep_1{path}"
            is_flat(await app.client.request(method, place, content=b"no JSON"), 401, "wrong_key")


@pytest.mark.parametrize(("method", "path"), [("GET", None), ("POST", None), *ROUTES])
async def test_where_redis_is_away_it_is_503(app: App, method: str, path: str | None) -> None:
    app.endpoints.away = True
    place = WEBHOOKS if path is None else f"{WEBHOOKS}/ep_1{path}"
    answer = await app.client.request(method, place, json={"url": URL} if path is None else {})
    assert "secret-host" not in is_flat(answer, 503, "redis_away")["message"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_where_the_broker_is_away_no_endpoint_is_made(app: App) -> None:
    app.deliveries.broker_away = True
    answer = await app.client.post(WEBHOOKS, json={"url": URL})
    assert "broker:9092" not in is_flat(answer, 503, "broker_away")["message"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_removed_it_is_gone(app: App) -> None:
    made = await app.made()
    assert (await app.client.delete(f"{WEBHOOKS}/{made['id']}")).json() == {"success": True}
    assert (await app.client.get(WEBHOOKS)).json() == {"webhooks": []}


async def test_a_405_names_all_that_a_path_takes(app: App) -> None:
    answer = await app.client.put(f"{WEBHOOKS}/ep_1")
    is_flat(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, PATCH, DELETE"
    assert (await app.client.put(WEBHOOKS)).headers["allow"] == "GET, POST"
