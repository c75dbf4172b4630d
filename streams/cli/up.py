"""`segue up`: everything on one machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from rules import packs
from rules.errors import SegueError
from rules.load import load_ruleset
from state.access import KINDS, AccessKeys
from state.redis import RedisStore
from streams.app import build_app
from streams.cli.frame import say, serve
from streams.cli.options import PATIENCE_S, AppIdOption, PartitionsOption, RulesOption
from streams.clocks import live_clock
from streams.embedded import embedded_services
from streams.http.probes import probing
from streams.http.serving import serving
from streams.producers import plain_producer
from streams.redis_access import redis_url
from streams.replay.lines import LinesFile
from streams.replay.sender import Sender, key_of
from streams.settings import Settings, load_settings
from streams.topics import Topics, create_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.ruleset import Ruleset
    from streams.worker import Worker

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Send these events once all is up: JSON, one a line, or gzipped."),
]
ReadyFileOption = Annotated[
    Path | None,
    typer.Option("--ready-file", metavar="PATH", help="Write where to connect there, as JSON, once all is up."),
]
LOOPBACK = ("127.0.0.0/8", "::1/128")
_POLL_S = 0.05
_SESSION_MS = 2_000


def up(
    *,
    rules: RulesOption = None,
    data: DataOption = None,
    ready_file: ReadyFileOption = None,
    app_id: AppIdOption = None,
    partitions: PartitionsOption = None,
) -> None:
    """Run everything on this machine until Ctrl-C: an embedded broker and Valkey, the topics, a worker, and HTTP.

    Nothing is kept when it ends; the keys for HTTP are made for this run. Without rules it runs the ready packs (`segue
    init` writes them to a folder). Events of `--data` keep their own times, but the clock is today's: history belongs
    into `segue replay`.
    """
    given = {"rules": rules, "app_id": app_id, "partitions": partitions, "allow_create_time": True}
    settings, sources = load_settings(given)
    if sources["http_origins"] == "default":  # pages may ask, too; they need a key or a token all the same
        settings = settings.model_copy(update={"http_origins": ["*"]})
    if sources["session_timeout"] == "default":  # nobody else takes over, and each group begins sooner
        settings = settings.model_copy(update={"session_timeout": _SESSION_MS})
    if sources["http_port"] == "default" and _is_taken(settings.http_host, settings.http_port):
        settings = settings.model_copy(update={"http_port": 0})
    level = "warning" if settings.log_level == "info" else settings.log_level
    serve(_up(settings, data, ready_file), level, settings.log_format)


async def _up(settings: Settings, data: Path | None, ready_file: Path | None) -> None:
    ruleset = load_ruleset(settings.rules or Path(packs.__file__).parent)
    async with contextlib.AsyncExitStack() as stack:
        services = await stack.enter_async_context(embedded_services())
        here = settings.model_copy(
            update={
                **Settings.without_security,
                "broker": services.broker.address,
                "redis": services.valkey.url,
                **_to_this_machine(settings),
            }
        )
        store = RedisStore(redis_url(here), here.app_id)
        await store.start()
        stack.push_async_callback(store.close)
        await create_topics(here)
        worker = await stack.enter_async_context(build_app(here, store, ruleset))
        failing = asyncio.create_task(worker.run())
        stack.callback(failing.cancel)
        await _until_ready(worker, failing)
        probes, health = await stack.enter_async_context(probing(here))
        probes.begun(worker)
        http = {"http": await stack.enter_async_context(serving(here)), **await _make_keys(here)}
        http["worker"] = health
        _welcome(here, ruleset, http)
        if ready_file is not None:
            stack.callback(ready_file.unlink, missing_ok=True)
            _write_ready(ready_file, {"broker": here.broker, "redis": here.redis, **http})
        if data is not None:
            await _send(here, data)
        await failing


def _to_this_machine(settings: Settings) -> dict[str, Any]:
    """Return the settings that let webhooks go to programs beside: where one tries things out, those have no TLS."""
    return {"webhooks_http": True, "webhooks_networks": [*settings.webhooks_networks, *LOOPBACK]}


async def _until_ready(worker: Worker, failing: asyncio.Task[None]) -> None:
    """Wait until the worker holds every partition; raise what it failed of."""
    while len(worker.partitions) < worker.parts.settings.partitions:
        if failing.done():
            await failing
        await asyncio.sleep(_POLL_S)


async def _make_keys(settings: Settings) -> dict[str, str]:
    """Make a key of each kind for this run; return them under the names that the ready file has."""
    store = AccessKeys(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
    try:
        return {f"{kind}_key": await store.add(f"up-{kind}", kind, time.time_ns() // 1_000_000) for kind in KINDS}
    finally:
        await store.close()


def _is_taken(host: str, port: int) -> bool:
    """Whether another program serves there, as 8080 often is."""
    with contextlib.suppress(OSError), socket.create_server((host, port)):
        return False
    return True


def _welcome(settings: Settings, ruleset: Ruleset, http: Mapping[str, str]) -> None:
    rules = settings.rules or f"the ready packs {', '.join(packs.PACKS)}"
    say(f"""\
segue is up, until Ctrl-C.

  broker  {settings.broker}  (events: topic {Topics.named(settings).events}, the customer's id as key)
  redis   {settings.redis}
  http    {http["http"]}
  keys    write  {http["write_key"]}
          read   {http["read_key"]}
          admin  {http["admin_key"]}
  worker  {http["worker"]}/metrics, /readyz
  rules   {rules} ({len(ruleset.segments)} segments, ruleset {ruleset.version})

Next, in another terminal:

  export SEGUE_BROKER={settings.broker} SEGUE_REDIS={settings.redis}
  export SEGUE_WEBHOOKS_HTTP=true SEGUE_WEBHOOKS_NETWORKS={",".join(settings.webhooks_networks)}
  segue tail                    # segment changes as they happen
  segue customer ID             # one customer: which segments, why, what comes next
  redis-cli -u $SEGUE_REDIS GET {settings.app_id}:customer:ID   # what a chat tool reads
  curl -u {http["write_key"]}: {http["http"]}/v1/track -d '{{"userId": "c1", "event": "Order Completed"}}'
  segue webhooks add --url http://127.0.0.1:9000/   # signed webhooks, here also without TLS and to this machine
""")


def _write_ready(path: Path, content: Mapping[str, str]) -> None:
    """Write it whole or not at all: whoever waits for the file reads it at once."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_bytes(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
        beside.replace(path)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror}; name another --ready-file"
        raise SegueError(message) from error


async def _send(settings: Settings, data: Path) -> None:
    count, clock = 0, live_clock(settings)
    async with plain_producer(settings) as producer:
        sender = Sender(producer, Topics.named(settings).events, settings.partitions)
        with LinesFile(data) as lines:
            for line in lines:
                await sender.send(key_of(line, clock), line)
                count += 1
        await sender.flush()
    say(f"{count:,} events of {data} are sent; `segue tail --from-start` shows what came of them.")
