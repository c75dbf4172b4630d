"""A worker in a process of its own, as tests start it: `python -m tests.integration.worker_process SETTINGS RULES`.

SETTINGS is JSON. It prints `ready` when it holds a partition, ends on SIGTERM with what is under way finished, and
then prints its counters as JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from rules.load import load_text
from state.redis import RedisStore
from streams.app import build_app
from streams.settings import Settings


async def work(settings: Settings, rules: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    store = RedisStore(settings.redis, settings.app_id)
    await store.start()
    try:
        async with build_app(settings, store, load_text(rules)) as worker:
            running = asyncio.create_task(worker.run())
            stopping = asyncio.create_task(stop.wait())
            while not worker.partitions and not running.done():  # noqa: ASYNC110 - a worker has no event for it
                await asyncio.sleep(0.01)
            print("ready", flush=True)  # noqa: T201 - read by the test
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            running.cancel()
        said = {"applied": worker.counters.applied, "river": "river" in sys.modules}
        print(json.dumps(said), flush=True)  # noqa: T201 - likewise
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(work(Settings(**json.loads(sys.argv[1])), sys.argv[2]))
