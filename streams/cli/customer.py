"""`segue customer`: one customer's segments, since when, why, and what comes next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rules.dates import format_ms
from rules.durations import describe_duration
from rules.errors import StateError
from state.engine import Engine
from state.redis import RedisStore
from streams.cli.frame import run, say
from streams.cli.options import PATIENCE_S, AppIdOption, PartitionsOption, RedisOption, settings_of
from streams.customer import memberships, next_changes
from streams.definitions import read_active
from streams.readable import LEFT_OVER, because, crossing, is_left_over
from streams.redis_access import redis_url
from streams.replay.sender import partition_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.change import Change
    from state.profile import Profile
    from streams.settings import Settings

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The customer: userId, or anonymousId without one.")]


def customer(
    customer_id: IdArgument,
    *,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    partitions: PartitionsOption = None,
) -> None:
    """Show one customer's segments: since when, why, and what changes next if nothing more happens."""
    run(_customer(settings_of(redis=redis, app_id=app_id, partitions=partitions), customer_id))


async def _customer(settings: Settings, customer_id: str) -> None:
    store = RedisStore(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
    await store.start()
    try:
        active = await store.active_ruleset()
        partition = partition_of(customer_id.encode(), settings.partitions)
        data = (await store.load(partition, [customer_id]))[0]
        forms = (await store.head(partition)).forms  # after the profile, which is no older than its form
    finally:
        await store.close()
    if active is None or data is None:
        raise StateError(
            _unknown(settings, customer_id, "no ruleset is active" if active is None else "no such customer")
        )
    ruleset = read_active(active)
    engine = Engine(ruleset, max_late_ms=settings.max_late)
    engine.learn_forms(forms)
    _show(engine, engine.decode(customer_id, data), engine.decode(customer_id, data), _now_ms())


def _show(engine: Engine, profile: Profile, copy: Profile, now_ms: int) -> None:
    t = max(profile.clock, min(now_ms, profile.due - 1))
    changes = "1 change" if profile.seq == 1 else f"{profile.seq} changes"
    say(f"{profile.customer}: {changes} so far, the last event or change {_ago(profile.clock, now_ms)}")
    for one in memberships(engine, profile, t):
        title = "" if one.title == one.name else f" ({one.title})"
        say(f"\n  {one.name}{title}")
        say(f"    since {_ago(one.since_ms, now_ms)}")
        say(f"    because {LEFT_OVER if is_left_over(one.name, one.because) else because(one.because)}")
    if profile.version != engine.version:
        say(f"\nThis is by ruleset {profile.version}; {engine.version} is active now and comes to them soon.")
    _show_next(next_changes(engine, copy), now_ms)


def _show_next(changes: Sequence[Change], now_ms: int) -> None:
    if not changes:
        say("\nWith no further event, nothing changes any more.")
        return
    say(f"\nWith no further event, next {_ago(changes[0].at, now_ms)}:")
    for change in changes:
        tree = {
            "change": change.change,
            "segment": change.segment,
            "segmentation": change.segmentation,
            "other": change.other,
        }
        say(f"  {crossing(tree)}: {because(change.because)}")


def _ago(at_ms: int, now_ms: int) -> str:
    apart = describe_duration(abs(now_ms - at_ms) // 1000 * 1000)
    return f"{format_ms(at_ms)} ({apart} ago)" if at_ms <= now_ms else f"{format_ms(at_ms)} (in {apart})"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _unknown(settings: Settings, customer_id: str, what: str) -> str:
    return (
        f"{customer_id}: {what} in app {settings.app_id!r} at its Redis; are SEGUE_REDIS, SEGUE_APP_ID and "
        f"SEGUE_PARTITIONS ({settings.partitions}) those of the workers?"
    )
