"""The HTTP app without a network: a broker and a key store that do as they are told."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

import httpx
from aiokafka.errors import KafkaTimeoutError

from rules.errors import ServiceError
from state.access import KINDS, AccessKey, digest_of
from state.history import Flows, Place
from streams.http.app import make_app
from streams.http.edges import EDGES
from streams.http.keyring import KeyRing
from streams.http.parts import HttpParts
from streams.http.tokens import Tokens
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from state.token_secrets import TokenSecret
    from streams.http.broker import Broker
    from streams.http.direct import Handler

WRITE, READ, ADMIN = "segue_write_1", "segue_read_1", "segue_admin_1"


class FakeBatch:
    """Holds up to `most` records."""

    most = 1_000

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes, dict[str, bytes]]] = []

    def append(
        self, *, timestamp: None, key: bytes | None, value: bytes, headers: list[tuple[str, bytes]]
    ) -> object | None:
        del timestamp
        if len(self.records) >= self.most:
            return None
        self.records.append((key, value, dict(headers)))
        return self


class FakeProducer:
    """A broker that takes what it is sent, until it is told to `fail`, or to be `silent`; then `answer` speaks."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int, bytes | None, bytes, dict[str, bytes]]] = []
        self.made: list[FakeBatch] = []
        self.batches = 0
        self.fail = False
        self.silent: set[int] = set()
        self._unanswered: list[tuple[asyncio.Future[None], FakeBatch, str, int]] = []

    def create_batch(self) -> FakeBatch:
        self.made.append(FakeBatch())
        return self.made[-1]

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> asyncio.Future[None]:
        await asyncio.sleep(0)
        self.batches += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.fail:
            future.set_exception(KafkaTimeoutError())
        elif partition in self.silent:
            self._unanswered.append((future, batch, topic, partition))
        else:
            self._take(batch, topic, partition)
            future.set_result(None)
        return future

    def answer(self, *, taken: bool) -> None:
        """Say at last whether the silent partitions' batches were taken."""
        for future, batch, topic, partition in self._unanswered:
            if taken:
                self._take(batch, topic, partition)
                future.set_result(None)
            else:
                future.set_exception(KafkaTimeoutError())
        self._unanswered.clear()
        self.silent.clear()

    def _take(self, batch: FakeBatch, topic: str, partition: int) -> None:
        self.taken += [(topic, partition, key, value, headers) for key, value, headers in batch.records]

    def values(self, topic: str = "customer-events") -> list[bytes]:
        return [value for name, _, _, value, _ in self.taken if name == topic]


class FakeBroker:
    """Stands for `streams.http.broker.Broker`."""

    def __init__(self) -> None:
        self.producer: FakeProducer | None = FakeProducer()

    async def check(self) -> None:
        if self.producer is None:
            message = "the broker has not been reached yet"
            raise ServiceError(message)


def no_tokens(keys: KeyRing) -> Tokens:
    """Stand for tokens where no secret can be had."""

    async def away() -> Sequence[TokenSecret]:
        message = "no answer from Redis"
        raise ServiceError(message)

    return Tokens("segue", away, keys)


class FakeHistory:
    """Stands for `state.history.History`: nothing was read yet, or what a test puts there."""

    def __init__(self) -> None:
        self.kept: dict[str, list[bytes]] = {}
        self.counted = Flows({}, None)

    async def place(self, partition: int) -> Place:
        del partition
        return Place(None, 0)

    async def changes(self, partition: int, customer: str) -> list[bytes]:
        del partition
        return self.kept.get(customer, [])

    async def flows(self, partitions: Iterable[int]) -> Flows:
        del partitions
        return self.counted


class FakeKeys:
    """Stands for the keys in Redis: `away` it does not answer."""

    def __init__(self) -> None:
        self.away = False
        self.loads = 0
        self.rows = [
            AccessKey(name, kind, digest_of(key), 0)
            for name, kind, key in zip("wra", KINDS, (WRITE, READ, ADMIN), strict=True)
        ]

    async def load(self) -> Sequence[AccessKey]:
        self.loads += 1
        await asyncio.sleep(0)
        await self.ping()
        return list(self.rows)

    async def ping(self) -> None:
        if self.away:
            message = "no answer from Redis"
            raise ServiceError(message)


class Served:
    """The app with its fakes, and a client that asks it."""

    def __init__(
        self, direct: Mapping[str, Handler], client: httpx.AsyncClient, broker: FakeBroker, keys: FakeKeys
    ) -> None:
        self.direct = direct
        self.client = client
        self.broker = broker
        self.keys = keys

    @property
    def producer(self) -> FakeProducer:
        assert self.broker.producer is not None
        return self.broker.producer

    async def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """Send a body (bytes as they are, else as JSON) with the write key."""
        options.setdefault("auth", (WRITE, ""))
        content = {"content": body} if isinstance(body, bytes | str) else {"json": body}
        return await self.client.post(path, **content, **options)


@contextlib.asynccontextmanager
async def owns_nothing(settings: Settings, group: str, topic: str, run: Callable[[int], object]) -> AsyncIterator[None]:
    """Stand for `streams.http.owning.owning`: no partition is this process's."""
    del settings, group, topic, run
    yield


@contextlib.asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Served]:
    """Run the app with the edges that answer alone."""
    broker, store = FakeBroker(), FakeKeys()
    ring = KeyRing(store.load)
    parts = HttpParts(Settings(**settings), ring, cast("Broker", broker), owning=owns_nothing)
    app = make_app(parts, {"broker": broker.check, "redis": store.ping})
    async with contextlib.AsyncExitStack() as stack:
        for name in ("ingest", "lookup"):  # webhooks deliver of their own accord, which needs a broker
            app.include_router(await stack.enter_async_context(EDGES[name](parts)))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://segue"))
        yield Served(parts.direct, client, broker, store)


def is_flat(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a flat error, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    content: dict[str, Any] = answer.json()
    assert content["success"] is False
    assert content["code"] == code, content
    assert content["message"]
    assert set(content) <= {"success", "code", "message", "path", "errors", "accepted", "rejected"}
    return content
