"""Where views are read: beside a worker that catches up as fast as it can, and beside peers without one.

A peer is a Valkey of the same kind with keys of the same size: one to which nobody writes, and one to which a plain
program writes as many bytes in as many writes a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from redis.asyncio import Redis

from benchmarks.cases import STANDARD
from benchmarks.follower import following
from benchmarks.http_client import process
from benchmarks.http_load import Load
from benchmarks.http_site import Site
from benchmarks.load import PARTITIONS, ends, send
from benchmarks.priorities import go_first
from benchmarks.services import TOPICS, create_topics
from state.access import AccessKeys
from state.keys import Keys
from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.load import LoadEvent
    from benchmarks.services import Broker

HERE = Path(__file__).parent
READS_A_S = 1_000
CONNECTIONS = 32
READ_EVENTS = 4_000
"""The customers of so many first events are those whose views are read."""
_SEEN_S = 60.0
_PEER_PREFIX = "peer:customer:"


class Written(NamedTuple):
    """What had come into a store by an instant (monotonic seconds): events applied, bytes sent to it, write commands.

    `value_bytes` is the mean size of what is read.
    """

    at_s: float
    events: int
    in_bytes: int
    writes: int
    value_bytes: float


@dataclass(frozen=True, slots=True)
class Place:
    """A place that is ready to be read: what its client asks, which processes to watch, and what was written so far."""

    load: Load
    processes: dict[str, int]
    store: EmbeddedValkey
    app: str
    events: int
    """How many events there are for the worker; 0 where none works."""

    async def written(self) -> Written:
        """Ask the store."""
        prefix = Keys(self.app).view_prefix
        async with Redis.from_url(self.store.url) as client:
            info = await client.info("everything")
            offsets = [await client.hget(Keys(self.app).head(number), "offset") for number in range(PARTITIONS)]
            sizes = [await client.strlen(prefix + one) for one in self.load.ids[:100]]
        # scripts of a worker, whose own MSETs are not counted again; those of the plain writer
        writes = info.get("cmdstat_evalsha" if self.events else "cmdstat_mset", {}).get("calls", 0)
        events = sum(int(offset or 0) for offset in offsets)
        return Written(time.monotonic(), events, info["total_net_input_bytes"], writes, sum(sizes) / len(sizes))


@contextlib.asynccontextmanager
async def working(
    broker: Broker, events: Sequence[LoadEvent], *, replica: bool = False, http: bool = False, first: bool = False
) -> AsyncIterator[Place]:
    """Begin a worker on a backlog, and wait until those who are asked about have a view where it is read.

    With `first`, the replica and the server go before all others.
    """
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(EmbeddedValkey())
        follower = await stack.enter_async_context(following(store.url)) if replica else None
        prefix = await stack.enter_async_context(_backlog(broker, events))
        app = prefix.rstrip(".")
        processes = {"broker": broker.pid, "store": store.pid}
        read = store if follower is None else follower
        if follower is not None:
            processes["replica"] = follower.pid
        ids = sorted({event.key.decode() for event in events[:READ_EVENTS]})
        load = Load("get", read.port, Keys(app).view_prefix, len(ids), CONNECTIONS, READS_A_S, ids)
        if http:
            given: dict[str, Any] = {
                "broker": broker.address,
                "redis": store.url,
                "app_id": app,
                "topic_prefix": prefix,
                "allow_create_time": True,
            }
            if follower is not None:
                given["redis_views"] = follower.url
            server, port, key = await _serving(stack, given)
            processes["server"] = server
            load = Load("lookup", port, key, len(ids), CONNECTIONS, READS_A_S, ids)
        for name in ("replica", "server"):
            if first and name in processes:
                go_first(processes[name])
        processes["worker"] = await stack.enter_async_context(_worker(broker, store, prefix, events))
        await _seen(read, [f"{Keys(app).view_prefix}{one}" for one in ids])
        yield Place(load, processes, store, app, len(events))


@contextlib.asynccontextmanager
async def alone(written: tuple[Written, Written], *, writing: bool) -> AsyncIterator[Place]:
    """Keys of the same size; with `writing`, a plain program writes as much a second as came in between the two."""
    before, after = written
    seconds = after.at_s - before.at_s
    size = round(after.value_bytes)
    ids = [str(number) for number in range(2_500)]
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(EmbeddedValkey())
        async with Redis.from_url(store.url) as client:
            await client.mset({f"{_PEER_PREFIX}{one}": b"v" * size for one in ids})
        processes = {"store": store.pid}
        if writing:
            rates = (after.in_bytes - before.in_bytes) / seconds, (after.writes - before.writes) / seconds
            words = ("-m", "benchmarks.plain_writer", str(store.port), *map(str, rates), str(size))
            processes["worker"] = await stack.enter_async_context(process(*words, environment={}, says=False))
            await asyncio.sleep(1)  # until it is at it
        yield Place(
            Load("get", store.port, _PEER_PREFIX, len(ids), CONNECTIONS, READS_A_S, ids), processes, store, "peer", 0
        )


async def _serving(stack: contextlib.AsyncExitStack, given: dict[str, Any]) -> tuple[int, int, str]:
    """Return the process id and the port of a `segue serve`, and a key to read with."""
    keys = AccessKeys(given["redis"], given["app_id"], patience_s=5)
    try:
        key = await keys.add("benchmark", "read", 0)
    finally:
        await keys.close()
    pid, port = await stack.enter_async_context(Site(given, {}, 0, 0, {}).serving("--only", "lookup"))
    return pid, port, key


@contextlib.asynccontextmanager
async def _backlog(broker: Broker, events: Sequence[LoadEvent]) -> AsyncIterator[str]:
    """Fresh topics with the events on them, under a prefix of their own, which is yielded."""
    prefix = f"view-{secrets.token_hex(4)}."
    await create_topics(broker.address, prefix)
    names = [prefix + name for name in TOPICS]
    try:
        await send(broker.address, f"{prefix}customer-events", events)
        yield prefix
    finally:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await admin.start()
        try:
            await admin.delete_topics(names)  # the embedded broker keeps its log in memory
        finally:
            await admin.close()


@contextlib.asynccontextmanager
async def _worker(
    broker: Broker, store: EmbeddedValkey, prefix: str, events: Sequence[LoadEvent]
) -> AsyncIterator[int]:
    """Run a worker that works through the backlog; yields its process id, and kills it in the end."""
    words = (str(HERE / "segue_worker.py"), broker.address, store.url, str(STANDARD.rules), prefix)
    with tempfile.TemporaryFile() as said:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", *words, json.dumps(ends(events))),
            stdout=said,
            stderr=said,
            env=dict(os.environ),
            cwd=HERE.parent,
        )
        try:
            yield worker.pid
            if worker.returncode is not None:
                said.seek(0)
                message = f"the worker ended with {worker.returncode}: {said.read().decode()[-2000:]}"
                raise SystemExit(message)
        finally:
            with contextlib.suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()


async def _seen(server: EmbeddedValkey, keys: Sequence[str]) -> None:
    async with Redis.from_url(server.url) as client, asyncio.timeout(_SEEN_S):
        while await client.exists(*keys) < len(keys):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
