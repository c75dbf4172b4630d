"""`segue models`: every online model, how good it is beside doing without, and whether it drifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rules.errors import StateError
from streams.cli.frame import console, run, say
from streams.cli.options import (
    AppIdOption,
    BrokerOption,
    ModelsFileOption,
    RedisOption,
    RulesOption,
    TopicPrefixOption,
    settings_of,
)
from streams.insight.overview import overview, remarks
from streams.insight.sources import book_of_file, book_of_topic

if TYPE_CHECKING:
    from streams.insight.book import Book

SinceStartOption = Annotated[
    bool, typer.Option("--since-start", help="Quality over all samples, not over the newest 5,000.")
]


def models(
    *,
    file: ModelsFileOption = None,
    since_start: SinceStartOption = False,
    rules: RulesOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Show every online model: its version, what it learned from, how good it is beside doing without, its drift.

    Quality is prequential: each label met the score that was given before it was known. It is told apart for samples
    taken at events and for those taken in silence, when `every` had passed with no event.
    """
    settings = settings_of(rules=rules, broker=broker, redis=redis, app_id=app_id, topic_prefix=topic_prefix)
    book = run(book_of_topic(settings)) if file is None else book_of_file(file, rules)
    if not book.entries:
        message = f"{book.source}: no models; write some under `models:` (docs/models.md), and `segue apply` them"
        raise StateError(message)
    show(book, "all" if since_start else "recent")


def show(book: Book, span: str) -> None:
    """Print the table and what is to be said beside it."""
    over = "all samples" if span == "all" else "the newest 5,000 samples of each side"
    say(f"{book.source}; quality over {over}")
    console().print(overview(book.entries, span))
    for remark in remarks(book):
        say(remark)
    say("`segue model KEY` shows one of them.")
