"""What the latency benchmark runs on: services for one round, and the programs that are measured on them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import services
from benchmarks.http_client import process
from benchmarks.latency_client import client
from benchmarks.latency_jobs import POOL, Got, Pool, Read, Row, Send, Sent
from benchmarks.services import cpu_s, make_broker
from benchmarks.verdict import WrongResult
from streams.embedded import EmbeddedValkey
from streams.settings import Settings
from streams.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.latency_jobs import Steady, Timers
    from benchmarks.services import BrokerKind

HERE = Path(__file__).parent
_SEGUE = ("-c", "from streams.cli import main; main()")
_FETCH_WAIT_MS = {"kafka": 100, "embedded": 2}
"""Apache Kafka answers a fetch at the first record; the embedded broker lets the reader wait so long in any case."""
_SILENCE_S = 20.0
_START_S = 60.0


class Program(NamedTuple):
    """A program that is measured: what its topics begin with, where it writes, and the processes to watch."""

    prefix: str
    output: str
    pids: dict[str, int]


class Seen(NamedTuple):
    """What came of one load: what the sender says, each record read by its name, and parts of a core by process."""

    sent: Sent
    rows: list[Row]
    parts: dict[str, float]


@dataclass(frozen=True)
class Site:
    """Services that run. Each program has topics of its own."""

    kind: BrokerKind
    broker: str
    redis: str
    services: dict[str, int]

    @contextlib.asynccontextmanager
    async def segue(self, rules: str, prefix: str) -> AsyncIterator[Program]:
        """Run `segue worker`."""
        settings = Settings(broker=self.broker, topic_prefix=prefix)
        await create_topics(settings, models=False, webhooks=False)
        given = {
            "SEGUE_BROKER": self.broker,
            "SEGUE_REDIS": self.redis,
            "SEGUE_TOPIC_PREFIX": prefix,
            "SEGUE_APP_ID": prefix.rstrip("."),
            "SEGUE_ALLOW_CREATE_TIME": str(self.kind == "embedded"),
            "SEGUE_LOG_LEVEL": "warning",
        }
        words = (*_SEGUE, "worker", "--rules", str(HERE / rules))
        async with process(*words, environment=given, says=False) as pid:
            yield Program(prefix, f"{prefix}segment-changes", {"worker": pid, **self.services})

    @contextlib.asynccontextmanager
    async def plain(self, prefix: str) -> AsyncIterator[Program]:
        """Run the plain Faust agent of W1."""
        await services.create_topics(self.broker, prefix)
        with tempfile.TemporaryDirectory() as data:
            given = {
                "BENCH_BROKER": self.broker,
                "BENCH_PREFIX": prefix,
                "BENCH_EVENTS": str(2**62),
                "BENCH_DATA": data,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH")))),
            }
            words = ("-P", str(HERE / "plain_w1.py"), "worker", "-l", "warn", "--without-web")
            async with process(*words, environment=given, says=False) as pid:
                yield Program(prefix, f"{prefix}segment-changes", {"worker": pid, **self.services})

    @contextlib.asynccontextmanager
    async def nobody(self, prefix: str) -> AsyncIterator[Program]:
        """Run no program: the events themselves are read, which shows what broker and reader take."""
        await services.create_topics(self.broker, prefix)
        yield Program(prefix, f"{prefix}customer-events", self.services)

    async def send(self, prefix: str, what: Steady | Timers | Pool) -> Sent:
        """Append events, and wait until the broker has them all."""
        async with client(Send(self.broker, f"{prefix}customer-events", what), Sent) as sent:
            return await sent()

    async def warm(self, program: Program) -> None:
        """Let the pool's customers be known; returns when the program has said so of each."""
        job = Read(self.broker, program.output, "", POOL, _FETCH_WAIT_MS[self.kind], _START_S)
        async with client(job, Got) as got:
            await self.send(program.prefix, Pool(f"{program.prefix}pool"))
            rows = (await got()).rows
        if len({row.name for row in rows}) != POOL:
            message = f"{program.prefix}: of {POOL} customers {len(rows)} changes came"
            raise WrongResult(message)

    async def watch(
        self, program: Program, what: Steady | Timers, needle: str, count: int, beside: Steady | None = None
    ) -> Seen:
        """Send a load, with another one beside it, if any; return what came of it.

        Raises `WrongResult` where there are not exactly `count` records that hold the needle.
        """
        job = Read(self.broker, program.output, needle, count, _FETCH_WAIT_MS[self.kind], _SILENCE_S)
        topic = f"{program.prefix}customer-events"
        async with contextlib.AsyncExitStack() as stack:
            got = await stack.enter_async_context(client(job, Got))
            sending = await stack.enter_async_context(client(Send(self.broker, topic, what), Sent))
            if beside is not None:
                other = await stack.enter_async_context(client(Send(self.broker, topic, beside), Sent))
                ending = asyncio.ensure_future(other())
                stack.push_async_callback(asyncio.wait, [ending])
            begun_s, before = time.monotonic(), {name: cpu_s(pid) for name, pid in program.pids.items()}
            sent = await sending()
            wall_s = time.monotonic() - begun_s
            parts = {name: (cpu_s(pid) - before[name]) / wall_s for name, pid in program.pids.items()}
            rows = (await got()).rows
        if len(rows) != count or len({row.name for row in rows if row.change != "exited"}) > count:
            message = f"{program.prefix}: {count} changes were to come of {what}, and {len(rows)} came"
            raise WrongResult(message)
        return Seen(sent, rows, parts)


@contextlib.asynccontextmanager
async def open_site(kind: BrokerKind) -> AsyncIterator[Site]:
    """Start the services."""
    async with make_broker(kind) as broker, EmbeddedValkey() as valkey:
        yield Site(kind, broker.address, valkey.url, {"broker": broker.pid, "store": valkey.pid})
