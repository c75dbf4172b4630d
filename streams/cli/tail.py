"""`segue tail`: changes as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from streams.changes import SOURCE_HEADER, source_of
from streams.cli.frame import say, serve
from streams.cli.options import AppIdOption, BrokerOption, TopicPrefixOption, settings_of
from streams.readable import change_line, segment_name
from streams.reader import TopicReader
from streams.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.reader import Record
    from streams.settings import Settings

SegmentOption = Annotated[
    str | None,
    typer.Option("--segment", metavar="KEY", help="Only this segment, or the segments of this segmentation."),
]
CustomerOption = Annotated[str | None, typer.Option("--customer", metavar="ID", help="Only this customer.")]
FromStartOption = Annotated[bool, typer.Option("--from-start", help="First all that the topic still has.")]


def tail(
    *,
    segment: SegmentOption = None,
    customer: CustomerOption = None,
    from_start: FromStartOption = False,
    broker: BrokerOption = None,
    topic_prefix: TopicPrefixOption = None,
    app_id: AppIdOption = None,
) -> None:
    """Print segment changes as they happen, one line each with the reason, until Ctrl-C.

    `→` is a segment entered, `←` one left.
    """
    settings = settings_of(broker=broker, topic_prefix=topic_prefix, app_id=app_id)
    serve(_tail(settings, segment, customer, from_start=from_start), "warning")


async def _tail(settings: Settings, segment: str | None, customer: str | None, *, from_start: bool) -> None:
    source = source_of(settings.app_id)
    async with TopicReader(settings, Topics.named(settings).changes) as reader:
        if not from_start:
            await reader.skip_to_end()
        async for records in reader.follow():
            for record in records:
                change = _change(record, source)
                if change is not None and _wanted(change, segment, customer):
                    say(change_line(change))


def _change(record: Record, source: bytes) -> Mapping[str, Any] | None:
    """Return the record's change, None where another app wrote it."""
    if record.value is None or dict(record.headers).get(SOURCE_HEADER) != source:
        return None
    change: Mapping[str, Any] = orjson.loads(record.value)
    return change


def _wanted(change: Mapping[str, Any], segment: str | None, customer: str | None) -> bool:
    names = (change["segment"], change["segmentation"], segment_name(change))
    return (segment is None or segment in names) and (customer is None or customer == change["customer_id"])
