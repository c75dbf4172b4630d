"""`segue replay`: a file of events, or a log, through a ruleset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.frame import TerminalReport, run, say
from streams.cli.options import RulesOption, instant, rules_of, settings_of, step
from streams.embedded import EmbeddedBroker, EmbeddedValkey
from streams.replay.from_file import replay_in_memory
from streams.replay.plan import Plan
from streams.replay.through import replay_through

if TYPE_CHECKING:
    from streams.replay.outcome import Outcome
    from streams.settings import Settings

EventsOption = Annotated[
    Path,
    typer.Option("--events", metavar="FILE", help="One event, as JSON, a line; .gz as well.", show_default=False),
]
UntilOption = Annotated[
    int | None,
    typer.Option(
        "--until", metavar="TIME", parser=instant, help="The horizon; without it, the newest time of an applied event."
    ),
]
ChangesOption = Annotated[
    Path | None, typer.Option("--changes", metavar="FILE", help="Write the changes there, one a line.")
]
StepOption = Annotated[
    int | None,
    typer.Option("--step", metavar="7d", parser=step, help="How often, in stream time, to say where things stand."),
]
BrokerOption = Annotated[
    str | None,
    typer.Option("--broker", metavar="HOST:PORT", help="Use this Kafka (with --redis) in place of embedded services."),
]
RedisOption = Annotated[
    str | None, typer.Option("--redis", metavar="URL", help="Use this Redis or Valkey (with --broker).")
]
InMemoryOption = Annotated[bool, typer.Option("--in-memory", help="Do the same with no services at all.")]


def replay(  # noqa: PLR0913 - a parameter an option
    *,
    events: EventsOption,
    rules: RulesOption = None,
    until: UntilOption = None,
    changes: ChangesOption = None,
    step: StepOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    in_memory: InMemoryOption = False,
) -> None:
    """Replay a file of events on its own clock, and say who crossed which segment when.

    Time is the events' own: what is due for a customer before their next event fires before it, and what is due up
    to the horizon at the end. Lines that are no events are counted by reason and do not change the exit status.

    The events go through the real pipeline: topics, a worker and a store of the replay's own, on embedded services or
    those that you name here (SEGUE_BROKER and SEGUE_REDIS are not asked: a replay comes to no live cluster unasked).
    """
    _check_services(broker, redis, in_memory=in_memory)
    settings = settings_of(rules=rules, broker=broker, redis=redis)
    plan = Plan(
        ruleset=rules_of(settings),
        events=events,
        app_id=settings.app_id,
        max_late_ms=settings.max_late,
        until_ms=until,
        changes=changes,
        step_ms=step,
    )
    with TerminalReport() as report:
        if in_memory:
            outcome = replay_in_memory(plan, report)
        else:
            outcome = run(_through(plan, report, settings, own_services=broker is not None))
    for line in outcome.summary():
        say(line)


def _check_services(broker: str | None, redis: str | None, *, in_memory: bool) -> None:
    if in_memory and (broker or redis):
        message = "--in-memory uses no services: leave out --broker and --redis"
        raise typer.BadParameter(message)
    if (broker is None) != (redis is None):
        message = "--broker and --redis go together: give both, or neither for embedded services"
        raise typer.BadParameter(message)


async def _through(plan: Plan, report: TerminalReport, settings: Settings, *, own_services: bool) -> Outcome:
    if own_services:
        return await replay_through(plan, report, settings)
    # nothing of a replay is to outlive it, so nothing has to reach a disk
    async with EmbeddedValkey(appendfsync="no") as valkey, EmbeddedBroker() as kafka:
        where = {"broker": kafka.address, "redis": valkey.url}
        return await replay_through(plan, report, settings.model_copy(update=where))
