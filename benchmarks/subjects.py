"""The programs that are measured, each in a process of its own, from the first event in hand to the last one done."""

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
from typing import TYPE_CHECKING

import msgspec

from benchmarks.load import ends, send
from benchmarks.marks import Mark
from benchmarks.services import cpu_s, create_topics, delete_topics
from benchmarks.verdict import check_plain, segue_changes
from streams.embedded import EmbeddedValkey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from benchmarks.cases import Case
    from benchmarks.load import LoadEvent
    from benchmarks.services import Broker
    from benchmarks.verdict import Counts, Reference

HERE = Path(__file__).parent
LONGEST_S = 900.0
SETTLE_S = 0.5
"""Between sending and measuring: the broker has its own work to finish."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed; CPU in µs an event, of each process apart."""

    events_per_s: float
    worker_us: float
    broker_us: float
    store_us: float


class Failed(Exception):
    """A measured program ended badly; its last words are in the text."""


async def measure_segue(
    broker: Broker,
    case: Case,
    load: Sequence[LoadEvent],
    reference: Reference,
    profile: Path | None = None,
    look: Callable[[str, str], Awaitable[None]] | None = None,
) -> Figures:
    """Let a segue worker work through the load; raises `WrongResult` where its changes are not the reference's.

    `look` is called in the end with the address of the store and the app's id.
    """
    async with EmbeddedValkey() as valkey, _topics(broker, load) as prefix:
        arguments = [broker.address, valkey.url, str(case.rules), prefix, json.dumps(ends(load))]
        if profile is not None:
            arguments += ["--profile", str(profile)]
        command = [sys.executable, "-P", str(HERE / "segue_worker.py"), *arguments]
        figures = await _measure(command, dict(os.environ), broker.pid, valkey.pid)
        reference.check(await segue_changes(broker.address, f"{prefix}segment-changes", reference))
        if look is not None:
            await look(valkey.url, prefix.rstrip("."))
        return figures


async def measure_plain(broker: Broker, case: Case, load: Sequence[LoadEvent], wanted: Counts) -> Figures:
    """Let the plain agent work through the load; raises `WrongResult` where its changes are not those wanted."""
    async with _topics(broker, load) as prefix:
        with tempfile.TemporaryDirectory() as data:
            given = {
                "BENCH_BROKER": broker.address,
                "BENCH_PREFIX": prefix,
                "BENCH_EVENTS": str(len(load)),
                "BENCH_DATA": data,
            }
            command = [sys.executable, "-P", str(case.agent), "worker", "-l", "warn", "--without-web"]
            figures = await _measure(command, {**os.environ, **given}, broker.pid, None)
        await check_plain(broker.address, f"{prefix}segment-changes", wanted)
        return figures


@contextlib.asynccontextmanager
async def _topics(broker: Broker, load: Sequence[LoadEvent]) -> AsyncIterator[str]:
    """Fresh topics with the load on them, under a prefix of their own."""
    prefix = f"bench-{secrets.token_hex(4)}."
    names = await create_topics(broker.address, prefix)
    try:
        await send(broker.address, f"{prefix}customer-events", load)
        await asyncio.sleep(SETTLE_S)
        yield prefix
    finally:
        await delete_topics(broker.address, names)


async def _measure(command: Sequence[str], environ: Mapping[str, str], broker: int, store: int | None) -> Figures:
    """Run the program; at each of its two marks, look what the services have used."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=errors, env=environ, cwd=HERE.parent
        )
        marks: dict[str, tuple[Mark, float, float]] = {}
        try:
            async with asyncio.timeout(LONGEST_S):
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                async for line in process.stdout:
                    if line.startswith(b'{"name":'):  # Faust prints a banner, too
                        mark = msgspec.json.decode(line, type=Mark)
                        marks[mark.name] = mark, cpu_s(broker), cpu_s(store) if store is not None else 0.0
                await process.wait()
        except TimeoutError:
            pass
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if len(marks) < 2 or process.returncode:
            errors.seek(0)
            message = f"{' '.join(command[1:3])} ended with {process.returncode}: {errors.read().decode()[-2000:]}"
            raise Failed(message)
    return _figures(marks["begin"], marks["end"])


def _figures(begin: tuple[Mark, float, float], end: tuple[Mark, float, float]) -> Figures:
    (first, broker_before, store_before), (last, broker_after, store_after) = begin, end
    events = last.events - first.events
    return Figures(
        events_per_s=events / (last.at_s - first.at_s),
        worker_us=(last.cpu_s - first.cpu_s) / events * 1e6,
        broker_us=(broker_after - broker_before) / events * 1e6,
        store_us=(store_after - store_before) / events * 1e6,
    )
