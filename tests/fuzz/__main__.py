"""`make fuzz`: records made bad in every way, through the pipeline in this process, through HTTP, and through services.

It ends with status 1 at the first world in which something is wrong, and shows the least part of it that still is.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import secrets
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from state.redis import RedisStore
from streams.embedded import EmbeddedBroker, EmbeddedValkey
from tests.fuzz import inside, services
from tests.fuzz.http import check as check_http
from tests.fuzz.shrink import smallest
from tests.fuzz.worlds import SIZE, world
from tests.integration.kafka import ApacheKafka
from tests.integration.pipeline import make_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fuzz.worlds import Sent

WORLDS_A_ROUND = 10
FOLLOWED = 100
"""Of so many customers one is followed: the oracle works out what they must be told, from their whole history."""
SHRINK_S = 120.0
FIRST_OF_SERVICES = 1_000_000
"""Services and HTTP have worlds of their own."""


def followed(customer: str) -> bool:
    """Whether the oracle works out what this customer must be told."""
    return sum(customer.encode()) % FOLLOWED == 0


class Tally:
    """Counts, and a line on the terminal now and then."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total = what, total
        self.became: Counter[str] = Counter()
        self._begin_s = self._said_s = time.monotonic()

    def say(self, *, last: bool = False) -> None:
        """Say how far it is, not too often."""
        now_s = time.monotonic()
        if last or now_s - self._said_s > 10:
            self._said_s = now_s
            count, took_s = sum(self.became.values()), now_s - self._begin_s
            rate = f"{count / took_s:,.0f}/s, {_peak_mib():,.0f} MiB at most"
            print(f"{self.what}: {count:,} of {self.total:,} records, {rate}", flush=True)
        if last:
            for name, number in self.became.most_common():
                print(f"  {name:<24}{number:>10,}")


def _peak_mib() -> float:
    """Return the most memory this process has had."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=…", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other worlds (default 1)")
    parser.add_argument("--records", type=int, default=200_000, help="through decoding and engine in this process")
    parser.add_argument("--http", type=int, default=20_000, help="as items of HTTP ingest")
    parser.add_argument("--services", type=int, default=100_000, help="through broker, worker and Valkey")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded", help="whose broker")
    parser.add_argument("--world", type=int, default=0, help="the first world: with --records 1000, that one alone")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    return (
        fuzz_inside(args.seed, args.world, args.records)
        or asyncio.run(fuzz_http(args.seed, args.http))
        or asyncio.run(fuzz_services(args.seed, args.services, args.broker))
    )


def fuzz_inside(seed: int, first: int, records: int) -> int:
    """Put records through decoding, engine and store in this process; return the status to end with."""
    if records < SIZE:
        return 0
    tally = Tally("in this process", records)
    for number in range(first, first + records // SIZE):
        sent = world(seed, number)
        faults = asyncio.run(inside.check(sent, followed, tally.became))
        if faults:
            return _failed(seed, number, faults, sent, lambda some: asyncio.run(inside.check(some, followed)))
        tally.say()
    tally.say(last=True)
    return 0


async def fuzz_http(seed: int, records: int) -> int:
    """Put records through HTTP as items; return the status to end with."""
    if records < SIZE:
        return 0
    tally = Tally("over HTTP, as items and as bodies", 2 * records)
    for number in range(FIRST_OF_SERVICES, FIRST_OF_SERVICES + records // SIZE):
        faults = await check_http(world(seed, number), tally.became)
        if faults:
            return _failed(seed, number, faults)
        tally.say()
    tally.say(last=True)
    return 0


async def fuzz_services(seed: int, records: int, kind: str) -> int:
    """Put records through broker, worker and Valkey, ten worlds at a time; return the status to end with."""
    if records < SIZE:
        return 0
    tally = Tally(f"on services ({kind})", records)
    async with (ApacheKafka if kind == "kafka" else EmbeddedBroker)() as broker, EmbeddedValkey() as valkey:
        for first in range(0, records // SIZE, WORLDS_A_ROUND):
            numbers = [FIRST_OF_SERVICES + at for at in range(first, min(first + WORLDS_A_ROUND, records // SIZE))]
            name = secrets.token_hex(4)
            store = RedisStore(valkey.url, f"segue-{name}")
            await store.start()
            try:
                pipeline = await make_pipeline(
                    *(broker, f"{name}.", f"segue-{name}"),
                    store=store,
                    rules=inside.RULES,
                    view_traits=list(inside.VIEW_TRAITS),
                )
                outcome = await services.through(pipeline, (one for number in numbers for one in world(seed, number)))
            finally:
                await store.close()
            tally.became += outcome.became
            if outcome.faults:
                return _failed(seed, numbers[0], outcome.faults)
            tally.say()
    tally.say(last=True)
    return 0


def _failed(
    seed: int,
    number: int,
    faults: Sequence[str],
    sent: Sequence[Sent] = (),
    check: Callable[[Sequence[Sent]], Sequence[str]] | None = None,
) -> int:
    """Show what is wrong, and where it can be, the least of it."""
    print(f"seed {seed}, world {number}: {len(faults)} faults")
    for fault in faults[:5]:
        print(f"  {fault[:3_000]}")
    if check is not None:
        until_s = time.monotonic() + SHRINK_S
        least = smallest(sent, lambda some: time.monotonic() < until_s and bool(check(some)))
        print(f"the least that fails, {len(least)} records:")
        for one in least:
            print(f"  {one}")
        for fault in check(least)[:5]:
            print(f"  {fault[:3_000]}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
