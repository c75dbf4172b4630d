"""`segue keys`: who may come in over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rules.dates import format_ms
from state.access import AccessKeys, Kind
from state.token_secrets import LONGEST_TTL_MS, TokenSecrets
from streams.cli.frame import run, say
from streams.cli.options import PATIENCE_S, AppIdOption, RedisOption, settings_of
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streams.settings import Settings

T = TypeVar("T")

keys = typer.Typer(
    name="keys",
    no_args_is_help=True,
    help="Make, list and revoke the keys that let callers in over HTTP.",
)

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def _name(text: str) -> str:
    import re  # noqa: PLC0415 - needed here only

    if re.fullmatch(_NAME, text) is None:
        message = f"{text!r} is no name: letters, digits, '.', '_' and '-', at most 64"
        raise typer.BadParameter(message)
    return text


KindOption = Annotated[
    Kind, typer.Option("--kind", help="write: apps send events. read: tools look customers up. admin: webhooks.")
]
NameOption = Annotated[
    str, typer.Option("--name", metavar="NAME", callback=_name, help="Whose it is; by it the key is revoked.")
]

AtOnceOption = Annotated[bool, typer.Option("--at-once", help="Former tokens let nobody in any more, within 2 s.")]


@keys.command()
def add(*, kind: KindOption, name: NameOption, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Make a key and print it: it is shown this once, and only its digest is kept."""
    settings = settings_of(redis=redis, app_id=app_id)
    say(run(_with(settings, lambda store: store.add(name, kind, time.time_ns() // 1_000_000))))


@keys.command("list")
def list_(*, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """List the keys: name, kind, and when each was made."""
    rows = run(_with(settings_of(redis=redis, app_id=app_id), lambda store: store.all()))
    width = max((len(row.name) for row in rows), default=0)
    for row in rows:
        say(f"{row.name:<{width}}  {row.kind:<5}  {format_ms(row.created_ms)}")


@keys.command()
def revoke(*, name: NameOption, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Revoke a key: within 2 s nobody comes in with it any more."""
    run(_with(settings_of(redis=redis, app_id=app_id), lambda store: store.revoke(name)))
    say(f"{name} is revoked.")


@keys.command("rotate-tokens")
def rotate_tokens(*, at_once: AtOnceOption = False, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Make a new secret that signs tokens; those signed by the former one are good until they end."""
    settings = settings_of(redis=redis, app_id=app_id)
    run(_rotate(settings, 0 if at_once else LONGEST_TTL_MS))
    say("Tokens are signed anew" + ("; the former ones are good no more." if at_once else "."))


async def _rotate(settings: Settings, keep_ms: int) -> None:
    store = TokenSecrets(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
    try:
        await store.rotate(time.time_ns() // 1_000_000, keep_ms)
    finally:
        await store.close()


async def _with(settings: Settings, work: Callable[[AccessKeys], Awaitable[T]]) -> T:
    store = AccessKeys(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
    try:
        return await work(store)
    finally:
        await store.close()
