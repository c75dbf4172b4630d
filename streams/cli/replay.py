"""`segue replay`: a file of events, or a log, through a ruleset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from streams.cli.frame import TerminalReport, run, say
from streams.cli.options import RulesOption, instant, rules_of, settings_of, step
from streams.replay.from_file import replay_in_memory
from streams.replay.from_log import replay_dump
from streams.replay.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator


EventsOption = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="One event, as JSON, a line; with --live a dump. May be gzipped."),
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
ModelsOption = Annotated[
    Path | None, typer.Option("--models", metavar="FILE", help="Write each version of each model there, one a line.")
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
LiveOption = Annotated[
    bool,
    typer.Option("--live", help="By the live rules and the broker's times, in memory: what a worker should have said."),
]
TopicOption = Annotated[
    bool, typer.Option("--topic", help="With --live: the app's topic of events, as it stands, in place of a dump.")
]


def replay(  # noqa: PLR0913 - a parameter an option
    *,
    events: EventsOption = None,
    rules: RulesOption = None,
    until: UntilOption = None,
    changes: ChangesOption = None,
    models: ModelsOption = None,
    step: StepOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    in_memory: InMemoryOption = False,
    live: LiveOption = False,
    topic: TopicOption = False,
) -> None:
    """Replay a file of events on its own clock, and say who crossed which segment when.

    Time is the events' own: what is due for a customer before their next event fires before it, and what is due up
    to the horizon at the end. Lines that are no events are counted by reason and do not change the exit status.

    The events go through the real pipeline: topics, a worker and a store of the replay's own, on embedded services or
    those that you name here (SEGUE_BROKER and SEGUE_REDIS are not asked: a replay comes to no live cluster unasked).

    Models learn as they go: in memory in step with the events, the same in every run; through services beside them.

    With `--live` a log is read by the rules of a live worker: a dump (`segue dump`) or, with `--topic`, the app's own
    topic of events.
    """
    _check(_Asked(events, broker, redis, in_memory, live, topic))
    settings = settings_of(rules=rules, broker=broker, redis=redis)
    plan = Plan(
        ruleset=rules_of(settings),
        app_id=settings.app_id,
        max_late_ms=settings.max_late,
        until_ms=until,
        changes=changes,
        step_ms=step,
        models=models,
        snapshot_every=settings.snapshot_every,
    )
    with TerminalReport() as report:
        if events is None:
            from streams.replay.from_topic import replay_topic  # noqa: PLC0415 - in memory needs no Kafka client

            outcome = run(replay_topic(plan, report, settings))
        elif live:
            outcome = replay_dump(plan, report, settings, events)
        elif in_memory:
            outcome = replay_in_memory(plan, report, events)
        else:
            from streams.replay.through import replay_embedded, replay_through  # noqa: PLC0415 - nor Faust

            through = replay_embedded if broker is None else replay_through
            outcome = run(through(plan, report, settings, events))
    for line in outcome.summary():
        say(line)


class _Asked(NamedTuple):
    """The options that say from where and through what."""

    events: Path | None
    broker: str | None
    redis: str | None
    in_memory: bool
    live: bool
    topic: bool

    def faults(self) -> Iterator[str]:
        """Yield what does not go together."""
        if self.topic and not self.live:
            yield "--topic goes with --live"
        if (self.events is None) != self.topic:
            yield (
                "give --events FILE, or --live --topic"
                if self.events is None
                else "--topic stands in place of --events"
            )
        if self.live:
            if self.redis or (self.broker and not self.topic):
                yield "--live works in memory: leave out --redis, and --broker but with --topic"
        elif self.in_memory and (self.broker or self.redis):
            yield "--in-memory uses no services: leave out --broker and --redis"
        elif (self.broker is None) != (self.redis is None):
            yield "--broker and --redis go together: give both, or neither for embedded services"


def _check(asked: _Asked) -> None:
    faults = list(asked.faults())
    if faults:
        raise typer.BadParameter("; ".join(faults))
