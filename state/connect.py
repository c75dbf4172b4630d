"""How segue connects to Redis or Valkey, and how it waits for one that is away.

redis-py's own retries are off: it would send a script again without saying so. `Link.patiently` repeats instead, and
is given only what is safe to repeat.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import hiredis
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from rules.errors import AccessError, Fenced, SegueError, ServiceError, SettingsError, StateError
from state.cluster import Cluster, Place
from state.refusals import remedy_of
from state.servers import OneServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from urllib.parse import SplitResult

    from redis.asyncio.connection import AbstractConnection

    from state.servers import Servers

T = TypeVar("T")
logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0
CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 10.0
DEFAULT_PORT = 6379
LEAST_ATTEMPT_S = 1.0
MAX_CONNECTIONS = 1000
CLUSTER = "+cluster"
CLUSTER_EXAMPLE = "redis+cluster://host:6379,host2:6379"

# What a server says while something passes by itself: loading its file, busy with a script, failing over.
_PASSING = frozenset(
    ("LOADING", "BUSY", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "MOVED", "ASK", "READONLY", "NOREPLICAS")
)

_REMEDIES = {
    "OOM": "it is at its memory limit; raise its maxmemory",
    "MISCONF": "it cannot write its files; free its disk",
    "CROSSSLOT": "this is a defect: keys of two slots in one command",
}


class Link:
    """Connections to one server or to those of a cluster, and the patience to wait for them."""

    def __init__(self, url: str, patience_s: float) -> None:
        """Read the address; nothing is sent yet. Raise `SettingsError` where it is none."""
        self.address = _address(url)
        self.servers, reply_timeout_s = _servers(url, self.address)
        self.execute: Callable[..., Awaitable[Any]] = self.servers.execute
        self._patience_s = patience_s
        # a server that hangs is given up on when patience ends, one that is slow has a second
        self._attempt_s = min(reply_timeout_s, max(patience_s, LEAST_ATTEMPT_S))

    async def read(self, what: str, *command: Any) -> Any:
        """Return the reply to a command that only reads, and one slot; it goes over a connection that many reads share.

        Raises as `patiently` does.
        """
        attempt_s = self._attempt_s
        return await self.patiently(what, lambda: self.servers.read(attempt_s, *command), limited=True)

    def call(self, *command: Any) -> Awaitable[Any]:
        """Return the reply to a call of a script, over a connection that many calls share.

        To be called within `patiently`: the script may have run where there is no reply.
        """
        return self.servers.call(self._attempt_s, *command)

    async def patiently(self, what: str, attempt: Callable[[], Awaitable[T]], *, limited: bool = False) -> T:
        """Return what `attempt` returns; repeat it, with growing pauses, while the server is away.

        One that is `limited` ends in time by itself; any other is cut off.

        Raises `Fenced` and `StateError` as the scripts say so, and `ServiceError` where the server refuses, or stays
        away for longer than `patience_s`; `AccessError` where it does not let us in, or not do this.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s
        pause_s, said = FIRST_PAUSE_S, None
        while True:
            try:
                async with asyncio.timeout(None if limited else self._attempt_s):
                    return await attempt()
            except (RedisError, TimeoutError) as error:
                if not _passes(error) or loop.time() + pause_s > deadline:
                    raise self._explained(what, error) from error
                if (reason := _reason(error)) != said:  # it was away, now it reads its files: one line each
                    logger.warning("%s: %s (%s); trying again", what, self.address, str(error) or "no reply")
                    said = reason
                if self.servers.is_cluster or _word(error) == "READONLY":  # a failover
                    await self.servers.forget()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Close every connection."""
        await self.servers.aclose()

    def _explained(self, what: str, error: RedisError | TimeoutError) -> SegueError:
        text, word = str(error) or "no reply", _word(error)
        if word == "FENCED":
            return Fenced(f"{what}: {_said(text)}: another worker or a newer ruleset has taken over")
        if word in {"STATE", "WRONGTYPE"}:
            return StateError(
                f"{what}: {_said(text)}, at {self.address}: does another program write to this app's keys?"
            )
        if _passes(error):
            tls = ": does it speak TLS there, and does it want a certificate (SEGUE_REDIS_CERT_FILE)?"
            return ServiceError(
                f"{what}: no answer from {self.address} within {self._patience_s:g} s ({text}); "
                f"start it, or correct SEGUE_REDIS{tls if self.address.startswith('rediss') else ''}"
            )
        if remedy := remedy_of(error, word):
            return AccessError(f"{what}: {self.address} does not let us: {text}; {remedy}")
        remedy = _REMEDIES.get(word, "")
        return ServiceError(f"{what}: {self.address} refuses: {text}" + (f"; {remedy}" if remedy else ""))


def _passes(error: RedisError | TimeoutError) -> bool:
    if remedy_of(error, _word(error)):  # what does not let us in is a ConnectionError to redis-py
        return False
    return isinstance(error, RedisConnectionError | RedisTimeoutError | TimeoutError) or _word(error) in _PASSING


def _reason(error: RedisError | TimeoutError) -> str:
    """Return the server's word for why it does not do it now, nothing where it does not answer."""
    word = _word(error)
    return word if word in _PASSING else ""


def _word(error: RedisError | TimeoutError) -> str:
    """Return the word a server's error begins with; redis-py takes those that it knows out of the text."""
    return (error.status_code if isinstance(error, RedisError) else None) or str(error).partition(" ")[0]


def _said(text: str) -> str:
    """Return what a script of ours said, without its first word and without where in the script that was."""
    return text.partition(" ")[2].partition(" script:")[0]


def _address(url: str) -> str:
    """Return the URL without user and password: fit for messages."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _servers(url: str, address: str) -> tuple[Servers, float]:
    """Return what stands behind the URL, and say how many seconds it may wait for a reply.

    The one place that knows which kinds of server there are.
    """
    parts = urlsplit(url)
    if not parts.scheme.endswith(CLUSTER):
        client, reply_timeout_s = _client(url, address)
        return OneServer(client, address), reply_timeout_s
    seeds = _seeds(parts, address)
    # the pool of each server is made when it is needed; this one shows that the rest of the URL will do
    _, reply_timeout_s = _client(_url_of(parts, seeds[0]), address)
    return Cluster(seeds, lambda place: _client(_url_of(parts, place), str(place))[0]), reply_timeout_s


def _seeds(parts: SplitResult, address: str) -> list[Place]:
    if parts.path not in {"", "/", "/0"} or "db=" in parts.query:
        message = f"SEGUE_REDIS {address!r}: a cluster has database 0 only; write {CLUSTER_EXAMPLE}"
        raise SettingsError(message)
    found = []
    for text in parts.netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{text.strip()}")
            found.append(Place(one.hostname or "", one.port or DEFAULT_PORT))
        except ValueError as error:
            message = f"SEGUE_REDIS {address!r}: {text!r}: {error}; write {CLUSTER_EXAMPLE}"
            raise SettingsError(message) from error
        if not found[-1].host:
            message = f"SEGUE_REDIS {address!r}: {text!r} is no host and port; write {CLUSTER_EXAMPLE}"
            raise SettingsError(message)
    return found


def _url_of(parts: SplitResult, place: Place) -> str:
    """Return the URL of one server of a cluster: the same user and options for each."""
    user = parts.netloc.rpartition("@")[0]
    netloc = f"{user}@{place}" if user else str(place)
    return urlunsplit(parts._replace(scheme=parts.scheme.removesuffix(CLUSTER), netloc=netloc, path="/0"))


def _client(url: str, address: str) -> tuple[Redis, float]:
    """Build the client of one server, and say how many seconds it may wait for a reply."""
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError as error:
        message = (
            f"SEGUE_REDIS {address!r}: {error}; write redis://host:6379/0, rediss:// for TLS, or {CLUSTER_EXAMPLE}"
        )
        raise SettingsError(message) from error
    # Ours, in place of redis-py's, which sends under `asyncio.wait_for`: in Python 3.11 that may swallow a
    # cancellation (cpython issue 86296), and it makes a task for each command.
    reply_timeout_s = options.pop("socket_timeout", REPLY_TIMEOUT_S)
    options.setdefault("socket_connect_timeout", CONNECT_TIMEOUT_S)
    options |= {
        "socket_timeout": None,
        "decode_responses": False,
        "protocol": 2,  # what RESP3 adds (push messages, maintenance notices) would have to be watched for
        "retry": Retry(NoBackoff(), 0),
        "max_connections": MAX_CONNECTIONS,
    }
    options["connection_class"] = _packing(options.get("connection_class", Connection))
    return Redis.from_pool(ConnectionPool(**options)), reply_timeout_s


def _packing(base: type[AbstractConnection]) -> type[AbstractConnection]:
    """Return the kind of connection with commands written by hiredis, in C.

    redis-py's asyncio connections have hiredis read replies, but write in Python: a commit of a thousand profiles has
    thousands of arguments.
    """

    class Packing(base):  # type: ignore[valid-type, misc]  # TCP, TLS or a Unix socket, by the URL
        def pack_command(self, *args: Any) -> list[bytes]:
            # a command of two words, such as SCRIPT LOAD, is two arguments to the server
            return [hiredis.pack_command((*args[0].encode().split(), *args[1:]))]

    return Packing
