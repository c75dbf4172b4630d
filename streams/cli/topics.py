"""`segue topics`: the topics, made and looked over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rules.errors import TopicError
from streams.cli.frame import run, say
from streams.cli.options import BrokerOption, PartitionsOption, TopicPrefixOption, settings_of
from streams.topics import Topics, check_topics, create_topics

if TYPE_CHECKING:
    from streams.settings import Settings

CheckOption = Annotated[bool, typer.Option("--check", help="Only say what is wrong; create nothing.")]


def topics(
    *,
    broker: BrokerOption = None,
    topic_prefix: TopicPrefixOption = None,
    partitions: PartitionsOption = None,
    check: CheckOption = False,
) -> None:
    """Create the topics that are missing, with the broker's own times, and say what is wrong with those that exist.

    The exit status is 1 where something keeps a worker from starting.
    """
    run(_topics(settings_of(broker=broker, topic_prefix=topic_prefix, partitions=partitions), create=not check))


async def _topics(settings: Settings, *, create: bool) -> None:
    created = await create_topics(settings) if create else []
    findings = await check_topics(settings, models=True, webhooks=True)
    at_fault = {finding.topic for finding in findings}
    for name in Topics.named(settings).all():
        if name not in at_fault:
            say(f"{name}: {'created' if name in created else 'there, and as it must be'}")
    for finding in findings:
        if not finding.fatal:
            say(str(finding))
    fatal = [str(finding) for finding in findings if finding.fatal]
    if fatal:
        raise TopicError("\n".join(fatal))
