"""How an error of the server or of the network becomes one of ours, and which of them are waited out."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import ConnectionPool, SSLConnection
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rules.errors import AccessError, Fenced, SegueError, ServiceError, SettingsError, StateError
from state import connect
from state.cluster import Cluster, Place
from state.connect import Link
from state.servers import OneServer


class Server:
    """Fails so many times, then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error = error
        self.left = times
        self.asked = 0

    async def __call__(self) -> str:
        self.asked += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "answer"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "FIRST_PAUSE_S", 0.0001)


PASSING = [
    RedisConnectionError("Connection closed by server."),
    RedisTimeoutError("Timeout reading"),
    TimeoutError(),
    BusyLoadingError("loading the dataset in memory", status_code="LOADING"),
    ReadOnlyError("You can't write against a read only replica.", status_code="READONLY"),
    ResponseError("BUSY Valkey is busy running a script."),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
async def test_what_passes_is_waited_out(error: Exception) -> None:
    link, server = Link("redis://127.0.0.1:1", 10), Server(error, 3)
    assert await link.patiently("ask", server) == "answer"
    assert server.asked == 4


async def test_what_is_waited_for_is_logged_whenever_it_becomes_something_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that was killed is away, then reads its files: a line each, however often it is asked."""
    away, loading = PASSING[0], PASSING[3]
    errors = iter([away, RedisConnectionError("Error 111"), away, loading, loading])

    async def attempt() -> str:
        error = next(errors, None)
        if error is not None:
            raise error
        return "answer"

    assert await Link("redis://127.0.0.1:1", 10).patiently("ask", attempt) == "answer"
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"ask: redis://127.0.0.1:1 ({error}); trying again" for error in (away, loading)]


@pytest.mark.parametrize("error", PASSING, ids=str)
async def test_what_does_not_pass_in_time_is_an_error_with_address_and_remedy(error: Exception) -> None:
    link, server = Link("redis://u:secret@host:1/2", 0.01), Server(error, 10**9)
    with pytest.raises(ServiceError, match=r"^ask: no answer from redis://host:1/2 within 0.01 s .*SEGUE_REDIS$"):
        await link.patiently("ask", server)
    assert server.asked > 1


@pytest.mark.parametrize(
    ("error", "ours", "text"),
    [
        (
            ResponseError("FENCED epoch 1 does not fit the stored 2"),
            Fenced,
            "ask: epoch 1 does not fit the stored 2: an",
        ),
        (ResponseError("STATE x is a list script: 0a, on @user_script:3."), StateError, "ask: x is a list, at redis"),
        (ResponseError("WRONGTYPE Operation against"), StateError, "ask: Operation against, at redis://host:1"),
        (OutOfMemoryError("command not allowed", status_code="OOM"), ServiceError, "raise its maxmemory"),
        (ResponseError("MISCONF Errors writing"), ServiceError, "free its disk"),
        (NoPermissionError("this user may not", status_code="NOPERM"), AccessError, "give its user the commands"),
        (AuthenticationError("invalid", status_code="WRONGPASS"), AccessError, "correct the user in"),
        (AuthenticationError("required.", status_code="NOAUTH"), AccessError, "put a user into"),
        (ResponseError("unknown command", status_code="ERR"), ServiceError, "redis://host:1 refuses: unknown command"),
    ],
    ids=str,
)
async def test_what_will_not_pass_is_told_at_once(error: RedisError, ours: type[SegueError], text: str) -> None:
    link, server = Link("redis://host:1", 60), Server(error, 1)
    with pytest.raises(SegueError) as caught:
        await link.patiently("ask", server)
    assert type(caught.value) is ours
    assert text in str(caught.value)
    assert server.asked == 1


async def test_an_error_of_our_own_passes_through() -> None:
    link = Link("redis://host:1", 60)
    with pytest.raises(ServiceError, match="too old"):
        await link.patiently("ask", Server(ServiceError("too old"), 1))


async def test_a_server_that_never_answers_is_asked_again() -> None:
    link = Link("redis://host:1?socket_timeout=0.01", 10)
    asked = 0

    async def attempt() -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            await asyncio.sleep(3600)
        return "answer"

    assert await link.patiently("ask", attempt) == "answer"
    assert asked == 3


@pytest.mark.parametrize(
    "url", ["", "host:6379", "http://host", "redis://u:secret@host/0?db=x", "redis://u:secret@h:x"]
)
def test_a_url_that_is_none_is_an_error_that_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^SEGUE_REDIS .*write redis://host:6379/0") as caught:
        Link(url, 1)
    assert "secret" not in str(caught.value)


def test_nothing_in_the_url_makes_the_client_decode_or_retry() -> None:
    servers = Link("redis://h?decode_responses=true&protocol=3&db=4", 1).servers
    assert isinstance(servers, OneServer)
    options = servers.client.connection_pool.connection_kwargs
    assert (options["decode_responses"], options["protocol"], options["db"]) == (False, 2, 4)
    assert options["retry"].get_retries() == 0


async def test_each_server_of_a_cluster_is_come_into_alike() -> None:
    """User, password and TLS are the URL's for all of them, also for those that it does not name."""
    link = Link("rediss+cluster://u:p%40ss@h:1,i/?ssl_check_hostname=false", 1)
    assert isinstance(link.servers, Cluster)
    places = [*link.servers.seeds, Place("::1", 7)]
    made: list[ConnectionPool] = [link.servers.client_of(place).connection_pool for place in places]
    named = ("host", "port", "username", "password", "ssl_check_hostname")
    found = [tuple(pool.connection_kwargs[name] for name in named) for pool in made]
    assert [one[:2] for one in found] == [("h", 1), ("i", 6379), ("::1", 7)]
    assert {one[2:] for one in found} == {("u", "p@ss", False)}
    assert all(issubclass(pool.connection_class, SSLConnection) for pool in made)
    await link.close()
