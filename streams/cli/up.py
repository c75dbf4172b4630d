"""`segue up`: everything on one machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from rules import packs
from rules.errors import SegueError
from rules.load import load_ruleset
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import say, serve
from streams.cli.options import AppIdOption, PartitionsOption, RulesOption, settings_of
from streams.clocks import live_clock
from streams.embedded import embedded_services
from streams.producers import plain_producer
from streams.replay.lines import LinesFile
from streams.replay.sender import Sender, key_of
from streams.topics import Topics, create_topics

if TYPE_CHECKING:
    from rules.ruleset import Ruleset
    from streams.settings import Settings
    from streams.worker import Worker

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Send these events once all is up: JSON, one a line, or gzipped."),
]
ReadyFileOption = Annotated[
    Path | None,
    typer.Option("--ready-file", metavar="PATH", help="Write where to connect there, as JSON, once all is up."),
]
_POLL_S = 0.05


def up(
    *,
    rules: RulesOption = None,
    data: DataOption = None,
    ready_file: ReadyFileOption = None,
    app_id: AppIdOption = None,
    partitions: PartitionsOption = None,
) -> None:
    """Run everything on this machine until Ctrl-C: an embedded broker and Valkey, the topics, and one worker.

    Nothing is kept when it ends. Without rules it runs the ready packs (`segue init` writes them to a folder). Events
    of `--data` keep their own times, but the clock is today's: history belongs into `segue replay`.
    """
    settings = settings_of(rules=rules, app_id=app_id, partitions=partitions, allow_create_time=True)
    serve(_up(settings, data, ready_file), "warning" if settings.log_level == "info" else settings.log_level)


async def _up(settings: Settings, data: Path | None, ready_file: Path | None) -> None:
    ruleset = load_ruleset(settings.rules or Path(packs.__file__).parent)
    async with contextlib.AsyncExitStack() as stack:
        services = await stack.enter_async_context(embedded_services())
        here = settings.model_copy(update={"broker": services.broker.address, "redis": services.valkey.url})
        store = RedisStore(here.redis, here.app_id)
        await store.start()
        stack.push_async_callback(store.close)
        await create_topics(here)
        worker = await stack.enter_async_context(build_app(here, store, ruleset))
        failing = asyncio.create_task(worker.run())
        stack.callback(failing.cancel)
        await _until_ready(worker, failing)
        _welcome(here, ruleset)
        if ready_file is not None:
            stack.callback(ready_file.unlink, missing_ok=True)
            _write_ready(ready_file, here)
        if data is not None:
            await _send(here, data)
        await failing


async def _until_ready(worker: Worker, failing: asyncio.Task[None]) -> None:
    """Wait until the worker holds every partition; raise what it failed of."""
    while len(worker.partitions) < worker.parts.settings.partitions:
        if failing.done():
            await failing
        await asyncio.sleep(_POLL_S)


def _welcome(settings: Settings, ruleset: Ruleset) -> None:
    rules = settings.rules or f"the ready packs {', '.join(packs.PACKS)}"
    say(f"""\
segue is up, until Ctrl-C.

  broker  {settings.broker}  (events: topic {Topics.named(settings).events}, the customer's id as key)
  redis   {settings.redis}
  rules   {rules} ({len(ruleset.segments)} segments, ruleset {ruleset.version})

Next, in another terminal:

  export SEGUE_BROKER={settings.broker} SEGUE_REDIS={settings.redis}
  segue tail                    # segment changes as they happen
  segue customer ID             # one customer: which segments, why, what comes next
  redis-cli -u $SEGUE_REDIS GET {settings.app_id}:customer:ID   # what a chat tool reads
""")


def _write_ready(path: Path, settings: Settings) -> None:
    """Write it whole or not at all: whoever waits for the file reads it at once."""
    content = {"broker": settings.broker, "redis": settings.redis}
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_bytes(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
        beside.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; name another --ready-file"
        raise SegueError(message) from error


async def _send(settings: Settings, data: Path) -> None:
    count, clock = 0, live_clock(settings)
    async with plain_producer(settings.broker) as producer:
        sender = Sender(producer, Topics.named(settings).events, settings.partitions)
        with LinesFile(data) as lines:
            for line in lines:
                await sender.send(key_of(line, clock), line)
                count += 1
        await sender.flush()
    say(f"{count:,} events of {data} are sent; `segue tail --from-start` shows what came of them.")
