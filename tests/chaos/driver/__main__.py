"""`make chaos`: faults in a random order from a seed, under load, until so many workers were killed; then the verdict.

It ends with status 1 at the first run in which something is wrong; its logs and timeline stay in their folder.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
import tempfile
from pathlib import Path

from streams.embedded import EmbeddedBroker, EmbeddedValkey
from tests.chaos.driver.plan import CALM_EVERY, KINDS
from tests.chaos.driver.run import SLOTS, Wanted, run
from tests.chaos.driver.wired_kafka import WiredKafka
from tests.chaos.scene import make_scene


def main() -> int:
    """Run what the command line asks for."""
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(prog="make chaos ARGS=…", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="the same seed, the same faults (default: random)")
    parser.add_argument("--kills", type=int, default=100, help="workers killed over all runs")
    parser.add_argument(
        "--a-run", type=int, default=25, help="of them in one run, with an app and a verdict of its own"
    )
    parser.add_argument("--seconds", type=float, default=0, help="a run lasts for so long at least")
    parser.add_argument("--rate", type=float, default=300, help="events a second")
    parser.add_argument("--session", type=float, default=3, help="seconds until a silent worker loses its partitions")
    parser.add_argument("--only", default=",".join(names), help=f"kinds of faults, with commas: {', '.join(names)}")
    parser.add_argument("--calm-every", type=int, default=CALM_EVERY, help="faults until workers must catch up")
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="kafka", help="whose broker")
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is what is wanted
    if strange := set(given.only.split(",")) - set(names):
        parser.error(f"no such kinds of faults: {', '.join(sorted(strange))}")
    return asyncio.run(_runs(given))


async def _runs(given: argparse.Namespace) -> int:
    folder = Path(tempfile.mkdtemp(prefix="segue-chaos-"))
    broker = WiredKafka(SLOTS) if given.broker == "kafka" else EmbeddedBroker()
    async with broker, EmbeddedValkey() as valkey:
        for number in range(max(1, -(-given.kills // given.a_run))):
            seed = f"{given.seed}" if number == 0 else f"{given.seed}-{number}"
            wanted = Wanted(seed, min(given.kills, given.a_run), given.seconds, given.only.split(","), given.calm_every)
            logs = folder / seed
            logs.mkdir()
            app = f"chaos-{secrets.token_hex(4)}"
            try:
                async with make_scene(
                    broker, valkey, f"{app}.", app, logs, seed, session_timeout=round(given.session * 1000)
                ) as scene:
                    scene.load.rate = given.rate
                    await run(scene, broker, logs, wanted)
            except (AssertionError, ExceptionGroup) as error:
                sys.stderr.write(f"{error!r}\n{error}\n")
                sys.stderr.write(f"again: make chaos ARGS='--seed {seed} --kills {wanted.kills}'; logs: {logs}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
