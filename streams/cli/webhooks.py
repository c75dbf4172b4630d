"""`segue webhooks`: who gets signed webhooks, and how their deliveries stand. It asks Redis; no server need run."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import orjson
import typer
from pydantic import BaseModel, ValidationError

from rules.dates import format_ms
from rules.errors import SegueError
from state.redis import RedisStore
from streams.cli.frame import run, say
from streams.cli.options import (
    PATIENCE_S,
    AppIdOption,
    BrokerOption,
    PartitionsOption,
    RedisOption,
    TopicPrefixOption,
    settings_of,
)
from streams.http.errors import path_of
from streams.http.webhooks.answers import shown
from streams.http.webhooks.asked import EndpointChange, NewEndpoint, Rotation, UrlRules
from streams.http.webhooks.delivering import stored_deliveries
from streams.http.webhooks.manage import Managing
from streams.http.webhooks.names import Names
from streams.http.webhooks.outbound import Outbound
from streams.http.webhooks.sender import HttpSender
from streams.redis_access import redis_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from state.webhooks.endpoints import Endpoint
    from state.webhooks.queues import Dead, Standing
    from streams.http.webhooks.manage import Warned
    from streams.settings import Settings

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

webhooks = typer.Typer(
    name="webhooks",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    help="""Manage who gets segment changes as signed webhooks.

    `segue webhooks add --url https://hooks.example.com/segue --segment vip --trait email` makes an endpoint and prints
    its secret, by which the receiver verifies each request (Standard Webhooks). `segue serve` delivers: in order for
    each customer, again and again for three days until it is answered 2xx. `segue webhooks test ID` sends a sample now.
    """,
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The endpoint: `segue webhooks list` names all.")]
UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="Where to: https, and no private address.")]
NewUrlOption = Annotated[str | None, typer.Option("--url", metavar="URL", help="Where to.")]
SegmentOption = Annotated[
    list[str] | None,
    typer.Option(
        "--segment", metavar="KEY", help="A segment, `segmentation.segment` or segmentation; several times. All else."
    ),
]
ChangeOption = Annotated[
    list[str] | None, typer.Option("--change", metavar="entered|exited", help="Which changes; both else.")
]
CauseOption = Annotated[
    list[str] | None,
    typer.Option(
        "--cause",
        metavar="event|timer|definition",
        help="Changes of which causes; event and timer else. With definition, an edit of the rules may mail everybody.",
    ),
]
TraitOption = Annotated[
    list[str] | None, typer.Option("--trait", metavar="NAME", help="Goes into `data.traits`; several times.")
]
HeaderOption = Annotated[
    list[str] | None,
    typer.Option("--header", metavar="'NAME: VALUE'", help="Goes out with each request, and is never shown."),
]
NoHeaderOption = Annotated[list[str] | None, typer.Option("--no-header", metavar="NAME", help="Is not sent any more.")]
PerSecondOption = Annotated[
    float | None, typer.Option("--max-per-second", metavar="N", help="Deliveries a second; 0 is no limit.")
]
MaxWaitingOption = Annotated[
    int | None,
    typer.Option("--max-waiting", metavar="N", help="Beyond so many waiting deliveries it reads no further."),
]
SecretOption = Annotated[str | None, typer.Option("--secret", metavar="WHSEC", help="This one (`whsec_…`); made else.")]
BackfillOption = Annotated[bool, typer.Option("--backfill", help="Send the present members first, as entered.")]
DisabledOption = Annotated[bool, typer.Option("--disabled", help="Send nothing yet.")]
ResumeOption = Annotated[
    Literal["here", "now"],
    typer.Option("--resume", help="here: send what waited and came meanwhile. now: skip it."),
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=1000, help="So many at most.")]
DeliveryArgument = Annotated[str, typer.Argument(metavar="DELIVERY", help="Its id, or `all`.")]

_OPTIONS = {"segments": "--segment", "changes": "--change", "causes": "--cause", "traits": "--trait"}


@webhooks.command("list")
def list_(*, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """List the endpoints: id, state, URL, and what each wants."""
    rows = run(_with(settings_of(redis=redis, app_id=app_id), lambda managing: managing.all()))
    for row in rows:
        state = "enabled" if row.enabled else f"disabled ({row.disabled})"
        say(f"{row.id}  {state:<18}  {row.url}  {','.join(row.segments)} {'/'.join(row.changes)}")


@webhooks.command()
def add(  # noqa: PLR0913 - a parameter an option
    *,
    url: UrlOption,
    segment: SegmentOption = None,
    change: ChangeOption = None,
    cause: CauseOption = None,
    trait: TraitOption = None,
    header: HeaderOption = None,
    max_per_second: PerSecondOption = None,
    max_waiting: MaxWaitingOption = None,
    secret: SecretOption = None,
    backfill: BackfillOption = False,
    disabled: DisabledOption = False,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Make an endpoint that gets changes from now on; print its id and its secret, which is shown this once."""
    settings = settings_of(broker=broker, redis=redis, app_id=app_id, topic_prefix=topic_prefix)
    said = _said(url, segment, change, cause, trait, max_per_second, max_waiting)
    said |= {"headers": _headers(header, None), "secret": secret, "backfill": backfill, "enabled": not disabled}
    asked = _checked(NewEndpoint, said, settings)
    made = run(_with(settings, lambda managing: managing.add(asked)))
    say(f"id      {made.endpoint.id}")
    say(f"secret  {made.endpoint.secret}")
    _warn(made.warnings)


@webhooks.command()
def show(
    identity: IdArgument, *, redis: RedisOption = None, app_id: AppIdOption = None, partitions: PartitionsOption = None
) -> None:
    """Show an endpoint, and how its deliveries stand."""

    async def ask(managing: Managing) -> tuple[Warned, Standing]:
        return await managing.get(identity), await managing.standing(identity)

    found, standing = run(_with(settings_of(redis=redis, app_id=app_id, partitions=partitions), ask))
    _show(found.endpoint)
    show_standing(standing)
    _warn(found.warnings)


@webhooks.command("change")
def change_(  # noqa: PLR0913 - a parameter an option
    identity: IdArgument,
    *,
    url: NewUrlOption = None,
    segment: SegmentOption = None,
    change: ChangeOption = None,
    cause: CauseOption = None,
    trait: TraitOption = None,
    header: HeaderOption = None,
    no_header: NoHeaderOption = None,
    max_per_second: PerSecondOption = None,
    max_waiting: MaxWaitingOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
) -> None:
    """Change what is named of an endpoint; the rest stays. Lists are replaced, headers added to."""
    settings = settings_of(redis=redis, app_id=app_id)
    said = _said(url, segment, change, cause, trait, max_per_second, max_waiting)
    asked = _checked(EndpointChange, said | {"headers": _headers(header, no_header)}, settings)
    changed = run(_with(settings, lambda managing: managing.change(identity, asked)))
    _show(changed.endpoint)
    _warn(changed.warnings)


@webhooks.command()
def enable(
    identity: IdArgument,
    *,
    resume: ResumeOption,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Let a disabled endpoint go on, where it was or now."""
    settings = settings_of(broker=broker, redis=redis, app_id=app_id, topic_prefix=topic_prefix)
    asked = EndpointChange(enabled=True, resume=resume)
    run(_with(settings, lambda managing: managing.change(identity, asked)))
    say(f"{identity} is enabled, and goes on {'where it was' if resume == 'here' else 'with what comes now'}.")


@webhooks.command()
def disable(identity: IdArgument, *, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Send an endpoint nothing until it is enabled again; its place is kept."""
    settings = settings_of(redis=redis, app_id=app_id)
    run(_with(settings, lambda managing: managing.change(identity, EndpointChange(enabled=False))))
    say(f"{identity} is disabled; its place is kept.")


@webhooks.command("test")
def try_(identity: IdArgument, *, redis: RedisOption = None, app_id: AppIdOption = None) -> None:
    """Send an endpoint a signed sample from here, and show what came back."""
    tried = run(_with(settings_of(redis=redis, app_id=app_id), lambda managing: managing.test(identity)))
    outcome = tried.outcome
    if outcome.good:
        say(f"delivered: {outcome.status} after {outcome.seconds:.3f} s")
    else:
        what = "no answer" if outcome.status is None else str(outcome.status)
        say(f"not delivered: {what}{'' if outcome.failure is None else f' ({outcome.failure})'}")
    if outcome.shown:
        say(outcome.shown)
    if not outcome.good:
        raise typer.Exit(1)


@webhooks.command()
def rotate(
    identity: IdArgument, *, secret: SecretOption = None, redis: RedisOption = None, app_id: AppIdOption = None
) -> None:
    """Give an endpoint a new secret and print it, this once; for a day the old one signs beside it."""
    settings = settings_of(redis=redis, app_id=app_id)
    asked = _checked(Rotation, {"secret": secret}, settings)
    changed = run(_with(settings, lambda managing: managing.rotate(identity, asked.secret)))
    say(f"secret  {changed.secret}")


@webhooks.command()
def remove(
    identity: IdArgument, *, redis: RedisOption = None, app_id: AppIdOption = None, partitions: PartitionsOption = None
) -> None:
    """Forget an endpoint, and all that waits for it."""
    settings = settings_of(redis=redis, app_id=app_id, partitions=partitions)
    run(_with(settings, lambda managing: managing.remove(identity)))
    say(f"{identity} is removed.")


@webhooks.command()
def dead(
    identity: IdArgument,
    *,
    limit: LimitOption = 20,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    partitions: PartitionsOption = None,
) -> None:
    """List the newest deliveries that were given up: when, after how many attempts, for whom, why."""
    settings = settings_of(redis=redis, app_id=app_id, partitions=partitions)
    for one in run(_with(settings, lambda managing: managing.dead(identity, limit))):
        _show_dead(one)


@webhooks.command()
def resend(
    identity: IdArgument,
    delivery: DeliveryArgument,
    *,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    partitions: PartitionsOption = None,
) -> None:
    """Send a delivery that was given up again, or `all` of them, each behind what waits for its customer."""
    settings = settings_of(redis=redis, app_id=app_id, partitions=partitions)
    wanted = None if delivery == "all" else delivery
    count = run(_with(settings, lambda managing: managing.resend(identity, wanted)))
    if not count and wanted is not None:
        message = f"{identity} has no spent delivery {delivery!r}: `segue webhooks dead {identity}` names them"
        raise SegueError(message)
    say(f"{count} will be sent again.")


async def _with(settings: Settings, work: Callable[[Managing], Awaitable[T]]) -> T:
    rules = UrlRules.of(settings)
    async with contextlib.AsyncExitStack() as stack:
        outbound = await stack.enter_async_context(Outbound(rules.guard))
        store = RedisStore(redis_url(settings), settings.app_id, patience_s=PATIENCE_S)
        stack.push_async_callback(store.close)
        endpoints, deliveries = await stack.enter_async_context(stored_deliveries(settings, _now_ms))
        sender = HttpSender(outbound, rules.guard, http=rules.http)
        return await work(Managing(endpoints, deliveries, sender, Names(store, settings), _now_ms))


def _said(
    url: str | None,
    segments: Sequence[str] | None,
    changes: Sequence[str] | None,
    causes: Sequence[str] | None,
    traits: Sequence[str] | None,
    max_per_second: float | None,
    max_waiting: int | None,
) -> dict[str, Any]:
    """Return what the options say, by the names that bodies have."""
    lists = {"segments": segments, "changes": changes, "causes": causes, "traits": traits}
    said: dict[str, Any] = {name: list(values) for name, values in lists.items() if values}
    said |= {name: value for name, value in {"url": url, "max_waiting": max_waiting}.items() if value is not None}
    if max_per_second is not None:
        said["max_per_second"] = max_per_second or None
    return said


def _headers(given: Sequence[str] | None, gone: Sequence[str] | None) -> dict[str, str | None]:
    headers: dict[str, str | None] = dict.fromkeys(gone or ())
    for text in given or ():
        name, colon, value = text.partition(":")
        if not colon:
            message = "--header: write 'Name: value'"  # what was written may be a secret
            raise SegueError(message)
        headers[name.strip()] = value.strip()
    return headers


def _checked(model: type[M], said: dict[str, Any], settings: Settings) -> M:
    """Return what was asked for; raises `SegueError` with a line for each fault."""
    try:
        return model.model_validate(said, context=UrlRules.of(settings))
    except ValidationError as error:
        lines = [f"{_option(fault['loc'])}{fault['msg']}" for fault in error.errors(include_input=False)]
        raise SegueError("\n".join(lines)) from None


def _option(place: tuple[str | int, ...]) -> str:
    if not place:
        return ""
    name = str(place[0])
    option = _OPTIONS.get(name, f"--{name.removesuffix('s').replace('_', '-')}")
    return f"{option}: " if len(place) == 1 else f"{option} ({path_of(place)}): "


def _show(endpoint: Endpoint) -> None:
    for name, value in shown(endpoint).items():
        text = orjson.dumps(value).decode() if isinstance(value, dict) else value
        say(f"{name:<22}  {', '.join(value) if isinstance(value, list) else '-' if text is None else text}")


def show_standing(standing: Standing) -> None:
    """Print how deliveries stand, a line each."""
    due = standing.next_due_ms
    rows = {
        "waiting": standing.waiting,
        "dead": standing.dead,
        "delivered": standing.done,
        "retries": standing.again,
        "spent": standing.spent,
        "next attempt": "-" if due is None else format_ms(due),
        "last attempt": _last(standing.last),
    }
    for name, value in rows.items():
        say(f"{name:<22}  {value}")


def _last(text: str) -> str:
    """Return what the newest attempt came to: when, its status or why there is none, and what was answered."""
    if not text:
        return "-"
    last = orjson.loads(text)
    return f"{format_ms(last['at'])}  {_came_to(last['status'], last['failure'])}  {last['shown']}".rstrip()


def _came_to(status: int | None, failure: str | None) -> str:
    return str(status) if failure is None else f"{status or ''} {failure}".strip()


def _show_dead(one: Dead) -> None:
    why = _came_to(one.status, one.failure)
    times = f"{one.tries} {'attempt' if one.tries == 1 else 'attempts'}"
    say(f"{one.delivery.id}  {format_ms(one.spent_ms)}  {times}  {why}  {one.delivery.customer}  {one.shown}".rstrip())


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        typer.echo(warning, err=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
