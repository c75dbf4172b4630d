"""A segue worker under the scale benchmark's eyes: takes its partitions over, then works through pass after pass.

    python -m benchmarks.scale_worker BROKER REDIS RULES PREFIX

PREFIX is the topics' prefix and, without its dot, the app id. Prints `Seen` lines: `assigned` when the consumer group
gives it its partitions, `ready` when each of them is taken over and read from. Then for each line on its input (JSON:
partition -> the offset after the last event of the pass) `begin` at once, since the backlog is there, and `end` when
all of it is applied and its changes are published. It ends with its input.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Literal
from unittest.mock import patch

import msgspec

from benchmarks.load import PARTITIONS
from benchmarks.segue_worker import worker_parser, worker_settings
from rules.load import load_ruleset
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import serve
from streams.clocks import live_clock
from streams.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path

    from streams.counters import Counters
    from streams.settings import Settings

READY_POLL_S = 0.001


class Seen(msgspec.Struct, frozen=True):
    """What had been done `at_s` (monotonic, the same clock in every process), with `cpu_s` of the worker's CPU."""

    name: Literal["assigned", "ready", "begin", "end"]
    at_s: float
    cpu_s: float
    events: int
    changes: int
    hits: int
    misses: int


def say(name: Literal["assigned", "ready", "begin", "end"], counters: Counters) -> None:
    """Print what there is at this moment."""
    seen = Seen(
        name,
        time.monotonic(),
        time.process_time(),
        counters.events,
        counters.changes.total(),
        counters.cache_hits,
        counters.cache_misses,
    )
    os.write(1, msgspec.json.encode(seen) + b"\n")


async def work(settings: Settings, rules: Path) -> None:
    """Take over, then work through the passes."""
    store = RedisStore(settings.redis, settings.app_id)
    await store.start()
    waiting: set[asyncio.Task[None]] = set()
    assigned = Worker.assigned

    @functools.wraps(assigned)
    def marked(worker: Worker, partitions: set[int]) -> None:
        say("assigned", worker.counters)
        assigned(worker, partitions)
        waiting.add(asyncio.create_task(_ready(worker)))

    try:
        clock = live_clock(settings)
        clock.ticks = False  # no timer but those that the events' own time makes certain
        with patch.object(Worker, "assigned", marked):
            async with build_app(settings, store, load_ruleset(rules), clock=clock, from_scratch=True) as worker:
                while line := await asyncio.to_thread(sys.stdin.readline):
                    await _pass(worker, {int(partition): end for partition, end in json.loads(line).items()})
    finally:
        await store.close()


async def _ready(worker: Worker) -> None:
    while len(worker.partitions) < PARTITIONS:  # noqa: ASYNC110 - a worker has no event for it
        await asyncio.sleep(READY_POLL_S)
    say("ready", worker.counters)


async def _pass(worker: Worker, ends: dict[int, int]) -> None:
    say("begin", worker.counters)
    await worker.applied(ends)
    say("end", worker.counters)


def main() -> None:
    """Read the arguments and work."""
    given = worker_parser("A segue worker that works through one pass after another.").parse_args()
    serve(work(worker_settings(given), given.rules), "warning")


if __name__ == "__main__":
    main()
