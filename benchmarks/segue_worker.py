"""A segue worker under the benchmark's eyes: works through a backlog, alone or as one of several, then ends.

    python segue_worker.py BROKER REDIS RULES PREFIX ENDS [--form compiled] [--beside] [--profile FILE]

PREFIX is the topics' prefix and, without its dot, the app id. ENDS is JSON: partition -> the offset after the last of
its events. Prints a mark when its first chunk is applied, and one when all of its partitions are applied and their
changes published. It is what `segue worker` is, but for the end; one of several also prints a mark when it is ready,
and begins with a line on its standard input: one that came late would find nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.marks import Mark
from rules.load import load_ruleset
from state.form import engine_form
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import serve
from streams.clocks import live_clock
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.worker import Worker

_POLL_S = 0.01


async def work(settings: Settings, rules: Path, ends: dict[int, int], *, beside: bool) -> None:
    """Apply all events of the partitions that it gets; with `beside`, hold them until standard input ends."""
    store = RedisStore(settings.redis, settings.app_id)
    await store.start()
    try:
        clock = live_clock(settings)
        clock.ticks = False  # they would fire what falls due after the backlog's end, on partitions that are done early
        async with build_app(settings, store, load_ruleset(rules), clock=clock, from_scratch=True) as worker:

            def first() -> None:
                worker.on_progress = None
                Mark.take("begin", worker.counters.events)

            worker.on_progress = first
            await (_share_applied(worker, ends) if beside else worker.applied(ends))
            Mark.take("end", worker.counters.events)
            if beside:  # leaving would stop the others, who may not be done
                await asyncio.to_thread(sys.stdin.read)
    finally:
        await store.close()


async def _share_applied(worker: Worker, ends: dict[int, int]) -> None:
    """Wait until what the group gave this worker is applied and published; raises what it failed with."""
    while True:
        tenures = {partition: hold.tenure for partition, hold in worker.holds.items()}
        applied = {partition: tenure.applied for partition, tenure in tenures.items() if tenure is not None}
        if applied and all(applied.get(partition, 0) >= ends[partition] for partition in tenures):
            return
        if worker.failure is not None:
            raise worker.failure
        await asyncio.sleep(_POLL_S)


def worker_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of what every measured worker is told first."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("broker")
    parser.add_argument("redis")
    parser.add_argument("rules", type=Path)
    parser.add_argument("prefix")
    return parser


def worker_settings(given: argparse.Namespace) -> Settings:
    """Return the settings that come of it."""
    return Settings(
        broker=given.broker,
        redis=given.redis,
        app_id=given.prefix.rstrip("."),
        topic_prefix=given.prefix,
        allow_create_time=True,
    )


def main() -> None:
    """Read the arguments and work."""
    parser = worker_parser("A segue worker that ends with its backlog.")
    parser.add_argument("ends", type=json.loads)
    parser.add_argument("--form", help="the engine's, as it must be: else the figures would be another's")
    parser.add_argument("--beside", action="store_true", help="others have the partitions that it does not get")
    parser.add_argument("--profile", type=Path)
    given = parser.parse_args()
    if given.form not in {None, engine_form()}:
        sys.exit(f"the engine is {engine_form()}, and {given.form} was asked for")
    ends = {int(partition): end for partition, end in given.ends.items()}
    if given.beside:
        Mark.take("ready", 0)
        sys.stdin.readline()
    job = work(worker_settings(given), given.rules, ends, beside=given.beside)
    if given.profile is None:
        serve(job, "warning")
        return
    with cProfile.Profile() as profile:
        serve(job, "warning")
    profile.dump_stats(given.profile)


if __name__ == "__main__":
    main()
