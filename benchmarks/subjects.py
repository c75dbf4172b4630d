"""The programs that are measured, each in processes of its own, from the first event in hand to the last one done."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks import compiled
from benchmarks.load import ends, send
from benchmarks.marks import Mark
from benchmarks.services import cpu_s, create_topics, delete_topics, topics_of
from benchmarks.verdict import check_peer, segue_changes
from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from benchmarks.cases import Case
    from benchmarks.load import LoadEvent
    from benchmarks.services import Broker
    from benchmarks.verdict import Crossings, Reference

HERE = Path(__file__).parent
LONGEST_S = 900.0
SETTLE_S = 0.5
"""Between sending and measuring: the broker has its own work to finish."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed; CPU in µs an event, of each program apart (of all workers together)."""

    events_per_s: float
    worker_us: float
    broker_us: float
    store_us: float


@dataclass(frozen=True, slots=True)
class Segue:
    """A segue worker, or several of one group: on the plain engine, or on the one in the folder `engine`."""

    engine: Path | None = None
    workers: int = 1
    profile: Path | None = None
    """Where a single worker's cProfile goes; its CPU is no figure then."""

    def commands(self, arguments: Sequence[str]) -> list[list[str]]:
        """Return each worker's command line."""
        command = [sys.executable, "-P", str(HERE / "segue_worker.py"), *arguments]
        command += ["--form", "plain Python" if self.engine is None else "compiled"]
        if self.profile is not None and self.workers == 1:
            command += ["--profile", str(self.profile)]
        return [command] if self.workers == 1 else [[*command, "--beside"]] * self.workers


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program that does the same: it reads where and how much from BENCH_* (`plain.py`), and prints marks."""

    name: str
    command: Sequence[str]


class Failed(Exception):
    """A measured program ended badly; its last words are in the text."""


async def measure_segue(
    broker: Broker,
    case: Case,
    load: Sequence[LoadEvent],
    reference: Reference,
    segue: Segue | None = None,
    look: Callable[[str, str], Awaitable[None]] | None = None,
) -> Figures:
    """Let segue work through the load; raises `WrongResult` where its changes are not the reference's.

    `look` is called in the end with the address of the store and the app's id.
    """
    segue = segue or Segue()
    async with EmbeddedValkey() as valkey, _topics(broker, load) as prefix:
        arguments = [broker.address, valkey.url, str(case.rules), prefix, json.dumps(ends(load))]
        figures = await _measure(segue.commands(arguments), compiled.environment(segue.engine), broker.pid, valkey.pid)
        reference.check(await segue_changes(broker.address, f"{prefix}segment-changes", reference))
        if look is not None:
            await look(valkey.url, prefix.rstrip("."))
        return figures


async def measure_peer(broker: Broker, peer: Peer, load: Sequence[LoadEvent], wanted: Crossings) -> Figures:
    """Let a peer work through the load; raises `WrongResult` where its changes are not those wanted."""
    async with _topics(broker, load) as prefix:
        with tempfile.TemporaryDirectory() as data:
            given = {
                "BENCH_BROKER": broker.address,
                "BENCH_PREFIX": prefix,
                "BENCH_EVENTS": str(len(load)),
                "BENCH_DATA": data,
                "PYTHONPATH": str(HERE.parent),  # of a Python that is not the project's, too
            }
            figures = await _measure([peer.command], {**os.environ, **given}, broker.pid, None)
        await check_peer(peer.name, broker.address, f"{prefix}segment-changes", wanted)
        return figures


@contextlib.asynccontextmanager
async def _topics(broker: Broker, load: Sequence[LoadEvent]) -> AsyncIterator[str]:
    """Fresh topics with the load on them, under a prefix of their own."""
    prefix = f"bench-{secrets.token_hex(4)}."
    await create_topics(broker.address, prefix)
    try:
        await send(broker.address, f"{prefix}customer-events", load)
        await asyncio.sleep(SETTLE_S)
        yield prefix
    finally:
        await delete_topics(broker.address, await topics_of(broker.address, prefix.rstrip(".")))


class Seen(NamedTuple):
    """A mark, and what the services had used when it came."""

    mark: Mark
    broker_s: float
    store_s: float


async def _measure(
    commands: Sequence[Sequence[str]], environ: Mapping[str, str], broker: int, store: int | None
) -> Figures:
    """Run the processes of one program; at each of their marks, look what the services have used."""

    def seen(mark: Mark) -> Seen:
        return Seen(mark, cpu_s(broker), cpu_s(store) if store is not None else 0.0)

    ready, done = asyncio.Barrier(len(commands)), asyncio.Barrier(len(commands))
    try:
        async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as group:
            runs = [group.create_task(_run(command, environ, seen, ready, done)) for command in commands]
    except* Failed as failed:
        raise failed.exceptions[0] from None
    except* TimeoutError:
        message = f"{' '.join(commands[0][1:3])} did not end within {LONGEST_S:.0f} s"
        raise Failed(message) from None
    return figures_of([run.result() for run in runs])


async def _run(
    command: Sequence[str],
    environ: Mapping[str, str],
    seen: Callable[[Mark], Seen],
    ready: asyncio.Barrier,
    done: asyncio.Barrier,
) -> dict[str, Seen]:
    """Run one process to its end.

    It may put off its beginning until the others are ready (it then gets a line), and its end until they are done.
    """
    marks: dict[str, Seen] = {}
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environ,
            cwd=HERE.parent,
        )
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            async for line in process.stdout:
                if not line.startswith(b'{"name":'):  # Faust prints a banner, too
                    continue
                mark = msgspec.json.decode(line, type=Mark)
                if mark.name == "ready":
                    await ready.wait()
                    process.stdin.write(b"\n")
                    continue
                marks[mark.name] = seen(mark)
                if mark.name == "end":
                    await done.wait()
                    process.stdin.close()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if len(marks) < 2 or process.returncode:
            errors.seek(0)
            message = (
                f"{' '.join(command[1:3])} ended with {process.returncode} after {len(marks)} marks of 2: "
                f"{errors.read().decode(errors='replace')[-2000:]}"
            )
            raise Failed(message)
    return marks


def figures_of(runs: Sequence[Mapping[str, Seen]]) -> Figures:
    """Put the processes' marks together: from the first begin to the last end, without what each began with."""
    first = min((run["begin"] for run in runs), key=lambda seen: seen.mark.at_s)
    last = max((run["end"] for run in runs), key=lambda seen: seen.mark.at_s)
    events = sum(run["end"].mark.events - run["begin"].mark.events for run in runs)
    worker_s = sum(run["end"].mark.cpu_s - run["begin"].mark.cpu_s for run in runs)
    return Figures(
        events_per_s=events / (last.mark.at_s - first.mark.at_s),
        worker_us=worker_s / events * 1e6,
        broker_us=(last.broker_s - first.broker_s) / events * 1e6,
        store_us=(last.store_s - first.store_s) / events * 1e6,
    )
