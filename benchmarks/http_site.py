"""What the HTTP benchmarks run on: broker, store, topics and keys, and segue's processes beside them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.http_client import process
from benchmarks.services import make_broker
from state.access import KINDS, AccessKeys
from streams.child import free_port
from streams.embedded import EmbeddedValkey
from streams.settings import Settings
from streams.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.services import BrokerKind
    from state.access import Kind

_SEGUE = ("-c", "from streams.cli import main; main()")


@dataclass(frozen=True)
class Site:
    """Services that run, keys of each kind, and how long and how often is measured."""

    given: dict[str, Any]
    keys: dict[Kind, str]
    seconds: float
    runs: int
    services: dict[str, int]
    """The process ids of `broker` and `store`."""

    @property
    def write_key(self) -> str:
        """The key for ingest."""
        return self.keys["write"]

    @contextlib.asynccontextmanager
    async def serving(self, *words: str, nice: int = 0, **settings: object) -> AsyncIterator[tuple[int, int]]:
        """Run `segue serve`; yields its process id and its port."""
        port = free_port()
        environment = self._environment(http_port=port, **settings)
        async with process(*_SEGUE, "serve", *words, environment=environment, nice=nice) as pid:
            yield pid, port

    @contextlib.asynccontextmanager
    async def working(self, rules: Path, nice: int = 0) -> AsyncIterator[int]:
        """Run `segue worker`; yields its process id."""
        words, environment = (*_SEGUE, "worker", "--rules", str(rules)), self._environment(log_level="warning")
        async with process(*words, environment=environment, says=False, nice=nice) as pid:
            yield pid

    def _environment(self, **more: object) -> dict[str, str]:
        return {f"SEGUE_{name.upper()}": str(value) for name, value in {**self.given, **more}.items()}


@contextlib.asynccontextmanager
async def open_site(broker: BrokerKind, seconds: float, runs: int) -> AsyncIterator[Site]:
    """Start the services, and make topics and keys."""
    async with make_broker(broker) as running, EmbeddedValkey() as valkey:
        given: dict[str, Any] = {"broker": running.address, "redis": valkey.url, "allow_create_time": True}
        await create_topics(Settings(**given))
        store = AccessKeys(valkey.url, "segue", patience_s=5)
        try:
            keys = {kind: await store.add(f"benchmark-{kind}", kind, 0) for kind in KINDS}
        finally:
            await store.close()
        yield Site(given, keys, seconds, runs, {"broker": running.pid, "store": valkey.pid})
