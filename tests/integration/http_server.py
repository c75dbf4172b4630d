"""The HTTP edges on real services: in this process, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import orjson

from state.access import KINDS, AccessKeys
from state.redis import RedisStore
from streams.child import free_port
from streams.http.serving import serving
from tests.integration.pipeline import Pipeline, make_pipeline
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rules.ruleset import Ruleset
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker


@dataclass
class HttpServer:
    """A server, a key of each kind, a client with the write key, and the topics behind it."""

    url: str
    write_key: str
    read_key: str
    admin_key: str
    client: httpx.AsyncClient
    pipeline: Pipeline
    pid: int

    async def events(self) -> list[dict[str, Any]]:
        """Return the events that the topic has, in order within a customer."""
        records = await self.pipeline.read(self.pipeline.topics.events)
        assert all((record.key or b"").decode() in (record.value or b"").decode() for record in records)
        return [orjson.loads(record.value or b"") for record in records]


@contextlib.asynccontextmanager
async def http_server(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, *, process: bool = False, **options: Any
) -> AsyncIterator[HttpServer]:
    """Run the edges with an app of their own; options are settings."""
    options |= {"redis": valkey.url, "http_port": free_port()}
    pipeline = await make_pipeline(broker, topic_prefix, app_id, **options)
    store = AccessKeys(valkey.url, app_id, patience_s=5)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        write, read, admin = [await store.add(kind, kind, 0) for kind in KINDS]
        if process:
            pid = await stack.enter_async_context(_process(pipeline))
            url = f"http://127.0.0.1:{pipeline.settings.http_port}"
        else:
            url, pid = await stack.enter_async_context(serving(pipeline.settings)), os.getpid()
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, auth=(write, ""), timeout=60))
        yield HttpServer(url, write, read, admin, client, pipeline, pid)


@contextlib.asynccontextmanager
async def worked(http: HttpServer, valkey: EmbeddedValkey, rules: Ruleset) -> AsyncIterator[Pipeline]:
    """Run a worker behind the server, on the Redis that lookup reads."""
    settings = http.pipeline.settings
    async with contextlib.AsyncExitStack() as stack:
        store = RedisStore(valkey.url, settings.app_id, patience_s=5)
        stack.push_async_callback(store.close)
        pipeline = Pipeline(settings, store, rules)
        await stack.enter_async_context(pipeline.worker())
        yield pipeline


@contextlib.asynccontextmanager
async def _process(pipeline: Pipeline) -> AsyncIterator[int]:
    """Run `segue serve`; leaving it, it must end well."""
    given = pipeline.settings.model_dump(mode="json", exclude_defaults=True)
    environment = {f"SEGUE_{name.upper()}": str(value) for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from streams.cli import main; main()", "serve"),
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        assert b"segue serves http://" in line, line + await process.stdout.read()
        yield process.pid
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
        assert process.returncode == 0, output
        assert b"Traceback" not in output, output.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
