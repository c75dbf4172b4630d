"""One app of the scale benchmark: its topics, its store, and the worker that is started on it again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from benchmarks.load import PARTITIONS, send
from benchmarks.scale_worker import Seen
from benchmarks.services import cpu_s, create_topics
from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from benchmarks.load import LoadEvent
    from benchmarks.services import Broker

HERE = Path(__file__).parent
LONGEST_S = 300.0
SETTLE_S = 0.5
"""Between sending and measuring: the broker has its own work to finish."""


class Failed(Exception):
    """The worker ended badly; its last words are in the text."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass showed: CPU in µs an event of worker, broker and store apart."""

    events_per_s: float
    worker_us: float
    broker_us: float
    store_us: float
    changes: int
    hit_share: float
    """Of the customers that chunks asked for, how many were in the worker's cache."""


@dataclass(frozen=True, slots=True)
class Takeover:
    """How long after it got its partitions a worker had taken them all over."""

    ready_ms: float


class Site:
    """An app's topics on a broker and a Valkey of its own."""

    def __init__(self, broker: Broker, valkey: EmbeddedValkey, rules: Path, prefix: str) -> None:
        """Use `site`."""
        self.broker = broker
        self.valkey = valkey
        self.rules = rules
        self.prefix = prefix
        self.ends: Counter[int] = Counter()

    @property
    def app(self) -> str:
        """The app's id."""
        return self.prefix.rstrip(".")

    async def append(self, load: Sequence[LoadEvent]) -> None:
        """Append these to the topic of events."""
        await send(self.broker.address, f"{self.prefix}customer-events", load)
        self.ends.update(event.partition for event in load)


@contextlib.asynccontextmanager
async def site(broker: Broker, rules: Path) -> AsyncIterator[Site]:
    """Fresh topics and a fresh store, until the context ends; the broker keeps its log."""
    prefix = f"scale-{secrets.token_hex(4)}."
    async with EmbeddedValkey() as valkey:
        await create_topics(broker.address, prefix)
        yield Site(broker, valkey, rules, prefix)


class Hired:
    """A worker process on a site; entered as a context it has taken its partitions over. It is killed, not stopped."""

    def __init__(self, where: Site) -> None:
        """Keep where it is to work."""
        self._site = where
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.takeover = Takeover(0.0)

    async def __aenter__(self) -> Self:
        """Start it, and wait until it is ready."""
        where = self._site
        arguments = [where.broker.address, where.valkey.url, str(where.rules), where.prefix]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", str(HERE / "scale_worker.py"), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._errors,
            cwd=HERE.parent,
        )
        try:
            assigned, ready = await self._seen("assigned"), await self._seen("ready")
        except BaseException:
            await self.__aexit__()
            raise
        self.takeover = Takeover((ready.at_s - assigned.at_s) * 1000)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill it as it stands: nothing is handed over."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._errors.close()

    async def work(self, load: Sequence[LoadEvent]) -> Pass:
        """Put a backlog before it and let it work through; it stands still while the backlog is made."""
        where, process = self._site, self._process
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.send_signal(signal.SIGSTOP)
        try:
            await where.append(load)
            await asyncio.sleep(SETTLE_S)
            ends = {partition: where.ends[partition] for partition in range(PARTITIONS)}
            process.stdin.write(json.dumps(ends).encode() + b"\n")
            await process.stdin.drain()
        finally:
            process.send_signal(signal.SIGCONT)
        begin = await self._seen("begin")
        broker_s, store_s = cpu_s(where.broker.pid), cpu_s(where.valkey.pid)
        end = await self._seen("end")
        broker_s, store_s = cpu_s(where.broker.pid) - broker_s, cpu_s(where.valkey.pid) - store_s
        events, asked = end.events - begin.events, end.hits + end.misses - begin.hits - begin.misses
        return Pass(
            events_per_s=events / (end.at_s - begin.at_s),
            worker_us=(end.cpu_s - begin.cpu_s) / events * 1e6,
            broker_us=broker_s / events * 1e6,
            store_us=store_s / events * 1e6,
            changes=end.changes,
            hit_share=(end.hits - begin.hits) / max(1, asked),
        )

    async def _seen(self, name: str) -> Seen:
        """Return what it says next under this name."""
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S):
                async for line in self._process.stdout:
                    if line.startswith(b'{"name":'):  # Faust prints a banner, too
                        seen = msgspec.json.decode(line, type=Seen)
                        if seen.name == name:
                            return seen
        self._errors.seek(0)
        message = f"the worker did not come to {name!r}: {self._errors.read().decode(errors='replace')[-2000:]}"
        raise Failed(message)
