"""`segue serve`: the HTTP edges, until stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.frame import say
from streams.cli.frame import serve as until_stopped
from streams.cli.options import AppIdOption, BrokerOption, RedisOption, TopicPrefixOption, settings_of
from streams.http.serving import serving

if TYPE_CHECKING:
    from streams.settings import Settings

OnlyOption = Annotated[
    str | None,
    typer.Option("--only", metavar="EDGE", help="Serve this edge alone: ingest, lookup or webhooks. All by default."),
]
HostOption = Annotated[str | None, typer.Option("--http-host", metavar="HOST", help="Where. [SEGUE_HTTP_HOST]")]
PortOption = Annotated[
    int | None, typer.Option("--http-port", metavar="PORT", help="0 takes a free one. [SEGUE_HTTP_PORT]")
]


def serve(
    *,
    only: OnlyOption = None,
    http_host: HostOption = None,
    http_port: PortOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Serve HTTP until stopped: apps send events, chat tools ask, marketing tools get signed webhooks.

    Each caller needs a key (`segue keys add`). SIGTERM or Ctrl-C lets what was asked be answered.
    """
    settings = settings_of(
        http_host=http_host,
        http_port=http_port,
        broker=broker,
        redis=redis,
        app_id=app_id,
        topic_prefix=topic_prefix,
    )
    until_stopped(_serve(settings, () if only is None else (only,)), settings.log_level, settings.log_format)


async def _serve(settings: Settings, edges: tuple[str, ...]) -> None:
    async with serving(settings, edges) as url:
        say(f"segue serves {url}, until Ctrl-C.")
        await asyncio.Event().wait()
