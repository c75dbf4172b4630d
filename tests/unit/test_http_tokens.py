"""Tokens: one customer's view, changes and stream, until they end or their key does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING, Any, cast

import httpx
import jwt
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from rules.errors import ServiceError
from state.memory import MemoryStore
from state.token_secrets import TokenSecret
from streams.http.app import make_app
from streams.http.caller import Caller
from streams.http.callers import Callers
from streams.http.connection import EXTENSION, Connection
from streams.http.errors import HttpError
from streams.http.keyring import KeyRing
from streams.http.lookup.rules import ActiveRules
from streams.http.parts import HttpParts
from streams.http.stream.answer import StreamAnswer
from streams.http.stream.edge import streaming
from streams.http.stream.live import MOST_OF_A_CUSTOMER, Live
from streams.http.stream.metrics import StreamMetrics
from streams.http.stream.subscriber import Subscriber
from streams.http.stream.wanted import Wanted
from streams.http.tokens import LONGEST_TOKEN, Tokens
from streams.settings import Settings
from tests.unit.http_fakes import READ, WRITE, FakeBroker, FakeKeys, is_flat

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.http.broker import Broker

SECRET = TokenSecret("first", b"s" * 32, 0)


class Shop:
    """Tokens over keys and secrets that a test changes; the clock stands at `now_s`."""

    def __init__(self) -> None:
        self.keys = FakeKeys()
        self.secrets = [SECRET]
        self.away = False
        self.now_s = 1_000.0
        self.ring = KeyRing(self.keys.load)
        self.tokens = self.others()

    def others(self, app_id: str = "segue") -> Tokens:
        """Return those of another process, or app."""
        return Tokens(app_id, self.load, self.ring, lambda: self.now_s)

    async def load(self) -> list[TokenSecret]:
        if self.away:
            message = "no answer from Redis"
            raise ServiceError(message)
        return list(self.secrets)

    async def caller(self) -> Caller:
        row = await self.ring.check(READ, "read")
        return Caller(row.name, row.fingerprint)

    async def token(self, customer: str = "c1", ttl_ms: int = 60_000) -> str:
        return (await self.tokens.issue(await self.caller(), customer, ttl_ms))[0]


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def refused(tokens: Tokens, token: str) -> str:
    with pytest.raises(HttpError) as error:
        await tokens.caller(token)
    return f"{error.value.status} {error.value.code}"


async def test_a_token_names_its_customer_its_key_and_its_end(shop: Shop) -> None:
    token, ends_s = await shop.tokens.issue(await shop.caller(), "c 1/🦊", 90_000)
    caller = await shop.others().caller(token)
    assert (caller.customer, caller.key, caller.ends_s, ends_s) == ("c 1/🦊", "r", 1_090, 1_090)
    assert READ not in token
    claims = jwt.decode(token, options={"verify_signature": False})
    assert shop.keys.rows[1].digest.hex() not in str(claims)


async def test_it_ends(shop: Shop) -> None:
    token = await shop.token()
    shop.now_s += 59
    assert (await shop.tokens.caller(token)).customer == "c1"
    shop.now_s += 1
    assert await refused(shop.tokens, token) == "401 token_expired"


async def test_it_ends_with_the_key_that_asked_for_it(shop: Shop) -> None:
    token = await shop.token()
    row = shop.keys.rows.pop(1)
    other = KeyRing(shop.keys.load)
    assert await refused(Tokens("segue", shop.load, other), token) == "401 token_expired"  # by the real clock
    assert await refused(Tokens("segue", shop.load, other, lambda: 1_000), token) == "401 wrong_token"
    shop.keys.rows.append(row._replace(digest=b"made anew under the same name"))
    assert await refused(Tokens("segue", shop.load, other, lambda: 1_000), token) == "401 wrong_token"


async def test_it_outlives_redis_where_it_is_known_and_waits_where_it_is_not(shop: Shop) -> None:
    token = await shop.token()
    shop.away = shop.keys.away = True
    assert (await shop.tokens.caller(token)).customer == "c1"
    assert await refused(shop.others(), token) == "503 keys_unchecked"
    assert await refused(Tokens("segue", shop.load, KeyRing(shop.keys.load)), token) == "503 keys_unchecked"
    with pytest.raises(HttpError, match="503 keys_unchecked"):
        await shop.others().issue(await shop.caller(), "c1", 1_000)


async def test_a_new_secret_is_known_at_once_and_a_removed_one_no_more(shop: Shop) -> None:
    old = await shop.token()
    shop.secrets.append(TokenSecret("second", b"t" * 32, 1))
    elsewhere = shop.others()
    new = (await elsewhere.issue(await shop.caller(), "c1", 60_000))[0]
    assert jwt.get_unverified_header(new)["kid"] == "second"
    assert (await shop.tokens.caller(new)).customer == "c1"  # it asked anew
    assert (await shop.tokens.caller(old)).customer == "c1"
    shop.secrets = shop.secrets[1:]
    assert await refused(shop.others(), old) == "401 wrong_token"


CLAIMS = {"iss": "segue/segue", "sub": "c1", "iat": 1_000, "exp": 2_000, "key": "r", "fingerprint": "x"}


def segment(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


async def test_what_was_not_signed_here_is_wrong(shop: Shop) -> None:
    token = await shop.token()
    head, body, signature = token.split(".")
    other_body = segment(base64.urlsafe_b64decode(body + "==").replace(b'"c1"', b'"c2"'))
    missing = {name: value for name, value in CLAIMS.items() if name != "exp"}
    forged = [
        f"{head}.{other_body}.{signature}",
        f"{head}.{body}.",
        jwt.encode(CLAIMS, "", "none", {"kid": "first"}),
        jwt.encode(CLAIMS, b"x" * 32, "HS256", {"kid": "first"}),
        jwt.encode(CLAIMS, SECRET.secret, "HS256", {"kid": "unknown"}),
        jwt.encode(CLAIMS, SECRET.secret, "HS256"),
        jwt.encode(CLAIMS, SECRET.secret * 2, "HS512", {"kid": "first"}),
        jwt.encode({**CLAIMS, "iss": "segue/another"}, SECRET.secret, "HS256", {"kid": "first"}),
        jwt.encode(missing, SECRET.secret, "HS256", {"kid": "first"}),
        "..",
        "a.b.c",
        f"{segment(b'[' * 3_000)}.{body}.{signature}",
        f"{segment(b'1')}.{body}.{signature}",
        "x" * (LONGEST_TOKEN + 1),
    ]
    for one in forged:
        assert await refused(shop.tokens, one) == "401 wrong_token", one


@given(st.text(max_size=200))
async def test_whatever_is_given_is_refused_flat(text: str) -> None:
    assert await refused(Shop().tokens, text) == "401 wrong_token"


# the routes


@pytest_asyncio.fixture
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    parts = HttpParts(Settings(), shop.ring, cast("Broker", FakeBroker()))
    app = make_app(parts, {})
    async with contextlib.AsyncExitStack() as stack:
        callers = Callers(shop.ring, shop.tokens)
        live = streaming(parts, callers, shop.tokens, ActiveRules(MemoryStore(), parts.settings))
        app.include_router(await stack.enter_async_context(live))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        yield await stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://segue", auth=(READ, ""))
        )


async def test_a_token_is_made_with_a_read_key(client: httpx.AsyncClient, shop: Shop) -> None:
    answer = await client.post("/v1/tokens", json={"customer_id": "c1", "ttl": "15m"})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json()["expires_at"] == "1970-01-01T00:31:40.000Z"
    assert (await shop.tokens.caller(answer.json()["token"])).customer == "c1"
    assert (await client.post("/v1/tokens", json={"customer_id": "c1"})).json()["expires_at"] == (
        "1970-01-01T01:16:40.000Z"
    )
    is_flat(await client.post("/v1/tokens", json={"customer_id": "c1"}, auth=(WRITE, "")), 401, "wrong_key")
    token = answer.json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    is_flat(
        await client.post("/v1/tokens", json={"customer_id": "c1"}, headers=bearer, auth=no_auth),
        403,
        "token_not_enough",
    )


def no_auth(request: httpx.Request) -> httpx.Request:
    return request


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({}, 422, "customer_id"), ({"customer_id": ""}, 422, "customer_id"), ({"customer_id": 1}, 422, "customer_id"),
        ({"customer_id": "é" * 257}, 422, "customer_id"), ({"customer_id": "c1", "ttl": "2h"}, 422, "ttl"),
        ({"customer_id": "c1", "ttl": 900}, 422, "ttl"), ({"customer_id": "c1", "ttl": "0s"}, 422, "ttl"),
        ({"customer_id": "c1", "ttl": "3601s"}, 422, "ttl"),
        ({"customer_id": "c1", "ttl": "61m"}, 422, "ttl"),
        ({"customer_id": "c1", "ttl": "x"}, 422, "ttl"), ([], 400, None),
    ],
)  # fmt: skip
async def test_what_asks_for_no_token_is_told_why(
    client: httpx.AsyncClient, body: Any, status: int, path: str | None
) -> None:
    content = is_flat(await client.post("/v1/tokens", json=body), status, "invalid" if status == 422 else "not_object")
    assert content.get("path") == path


async def test_the_stream_refuses_flat(client: httpx.AsyncClient, shop: Shop) -> None:
    is_flat(await client.get("/v1/stream", auth=no_auth), 401, "wrong_key")
    is_flat(await client.get("/v1/stream", params={"token": READ}, auth=no_auth), 401, "wrong_token")
    is_flat(await client.get("/v1/stream", auth=(WRITE, "")), 401, "wrong_key")
    is_flat(await client.get("/v1/stream", params={"change": "moved"}), 422, "invalid")
    is_flat(await client.get("/v1/stream", params={"customer": ""}), 422, "invalid")
    is_flat(await client.get("/v1/stream", params={"customer": ["c"] * 101}), 422, "invalid")
    is_flat(await client.get("/v1/stream", headers={"Last-Event-ID": "1"}), 400, "bad_event_id")
    is_flat(await client.get("/v1/stream", params={"last_event_id": "é"}), 400, "bad_event_id")
    is_flat(await client.get("/v1/stream", params={"segment": "vip"}), 503, "no_ruleset")
    token = await shop.token("c1")
    is_flat(
        await client.get("/v1/stream", params={"token": token, "customer": "c2"}, auth=no_auth), 403, "another_customer"
    )
    shop.now_s += 3_600
    is_flat(await client.get("/v1/stream", params={"token": token}, auth=no_auth), 401, "token_expired")
    is_flat(await client.post("/v1/stream"), 405, "method_not_allowed")


# who may listen, and for how long


def live_of(shop: Shop, **settings: Any) -> Live:
    return Live(Settings(**settings), shop.ring, StreamMetrics(CollectorRegistry()))


async def test_places_are_bounded_and_given_back(shop: Shop) -> None:
    live = live_of(shop, http_streams=2)
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(live.listening(Subscriber(Wanted())))
        with pytest.raises(HttpError, match="503 too_many_streams"), live.listening(Subscriber(Wanted())):
            pass
    with live.listening(Subscriber(Wanted())):
        pass


async def test_a_customers_tokens_do_not_take_everybodys_places(shop: Shop) -> None:
    live = live_of(shop)
    caller = await shop.tokens.caller(await shop.token("c1"))
    other = await shop.tokens.caller(await shop.token("c2"))
    with contextlib.ExitStack() as stack:
        for _ in range(MOST_OF_A_CUSTOMER):
            stack.enter_context(live.listening(Subscriber(Wanted(), caller)))
        with pytest.raises(HttpError, match="429 too_many_of_customer"), live.listening(Subscriber(Wanted(), caller)):
            pass
        stack.enter_context(live.listening(Subscriber(Wanted(), other)))
    with live.listening(Subscriber(Wanted(), caller)):
        pass


async def test_who_may_no_more_listens_no_more(shop: Shop) -> None:
    live = live_of(shop)
    by_key = Subscriber(Wanted(), await shop.caller())
    by_token = Subscriber(Wanted(), await shop.tokens.caller(await shop.token(ttl_ms=60_000)))
    stuck = Subscriber(Wanted(), await shop.caller())
    with live.listening(by_key), live.listening(by_token), live.listening(stuck):
        stuck.blocked_since_s = 100.0
        live.look(110.0, 1_059.0, 1)
        assert [one.ending for one in (by_key, by_token, stuck)] == [None] * 3
        live.look(116.0, 1_060.0, 2)
        assert [one.ending for one in (by_key, by_token, stuck)] == [None, "expired", "slow"]
        shop.keys.rows.pop(1)
        with contextlib.suppress(HttpError):
            await shop.ring.check("another", "read")  # Redis is asked, and tells that it is gone
        live.look(117.0, 1_060.0, 3)
        assert by_key.ending == "revoked"


async def test_whoever_goes_before_it_begins_takes_no_place(shop: Shop) -> None:
    live = live_of(shop)
    answer = StreamAnswer(live, Wanted(), await shop.caller(), None)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    connection = Connection()

    async def begun() -> None:
        connection.lost()
        await asyncio.Event().wait()

    live.begun = begun  # type: ignore[method-assign]  # the broker is away, and the client does not wait
    await answer({"type": "http", "extensions": {EXTENSION: connection}}, cast("Any", None), send)
    assert sent[0]["status"] == 503
    assert connection.watcher is None
