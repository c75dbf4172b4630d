"""A segue worker under the benchmark's eyes: works through a backlog, then ends.

    python segue_worker.py BROKER REDIS RULES PREFIX ENDS [--profile FILE]

PREFIX is the topics' prefix and, without its dot, the app id. ENDS is JSON: partition -> the offset after the last of
its events. Prints a mark when the first chunk is applied, and one when all are applied and their changes published.
It is what `segue worker` is, but for the end.
"""

from __future__ import annotations

import argparse
import cProfile
import json
from pathlib import Path

from benchmarks.marks import Mark
from rules.load import load_ruleset
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import serve
from streams.clocks import live_clock
from streams.settings import Settings


async def work(settings: Settings, rules: Path, ends: dict[int, int]) -> None:
    """Apply all events, from the first to the last."""
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
            await worker.applied(ends)
            Mark.take("end", worker.counters.events)
    finally:
        await store.close()


def main() -> None:
    """Read the arguments and work."""
    parser = argparse.ArgumentParser(description="A segue worker that ends with its backlog.")
    parser.add_argument("broker")
    parser.add_argument("redis")
    parser.add_argument("rules", type=Path)
    parser.add_argument("prefix")
    parser.add_argument("ends", type=json.loads)
    parser.add_argument("--profile", type=Path)
    given = parser.parse_args()
    settings = Settings(
        broker=given.broker,
        redis=given.redis,
        app_id=given.prefix.rstrip("."),
        topic_prefix=given.prefix,
        allow_create_time=True,
    )
    ends = {int(partition): end for partition, end in given.ends.items()}
    if given.profile is None:
        serve(work(settings, given.rules, ends), "warning")
        return
    with cProfile.Profile() as profile:
        serve(work(settings, given.rules, ends), "warning")
    profile.dump_stats(given.profile)


if __name__ == "__main__":
    main()
