"""`segue model`: one online model: what it goes by, how far its scores come true, its clusters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from streams.drawing import need_charts
from streams.insight import sheet
from streams.insight.calibration import calibration_chart, calibration_lines
from streams.insight.sources import book_of_file, book_of_topic

if TYPE_CHECKING:
    from rich.console import Console

    from streams.insight.book import Entry

KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The model's key.")]
PngOption = Annotated[
    Path | None, typer.Option("--png", metavar="FILE", help="Draw it there too: features, calibration or clusters.")
]


def model(  # noqa: PLR0913 - a parameter an option
    key: KeyArgument,
    *,
    png: PngOption = None,
    file: ModelsFileOption = None,
    rules: RulesOption = None,
    broker: BrokerOption = None,
    redis: RedisOption = None,
    app_id: AppIdOption = None,
    topic_prefix: TopicPrefixOption = None,
) -> None:
    """Show one online model: quality, features with their weights in words, calibration, clusters, drift.

    Weights are of features scaled to one standard deviation, so that they compare. The chart shows, for ten bins of
    scores, what the model said and what share came true; a model one can rely on is on the dotted line.
    """
    if png is not None:
        need_charts()
    settings = settings_of(rules=rules, broker=broker, redis=redis, app_id=app_id, topic_prefix=topic_prefix)
    book = run(book_of_topic(settings)) if file is None else book_of_file(file, rules)
    entry = book.one(key)
    show(entry, console())
    if png is not None:
        from streams.insight.pictures import write_png  # noqa: PLC0415 - a page of text needs no pictures

        write_png(entry, png)
        say(f"\nThe picture is {png}.")


def show(entry: Entry, out: Console) -> None:
    """Print the page of one model."""
    for line in sheet.headline(entry):
        say(line)
    measures = sheet.quality(entry)
    if measures.row_count:
        say(f"\nQuality: {sheet.meaning(entry)}")
        out.print(measures)
    if entry.frozen is not None:
        _show_inside(entry, out)
    if entry.kind != "anomaly":
        say(sheet.drift(entry))
    for problem in entry.metrics.get("problems", ()):
        say(f"Look into it: {problem}")


def _show_inside(entry: Entry, out: Console) -> None:
    match entry.kind:
        case "propensity" | "value":
            say("Features, the weightiest first")
            out.print(sheet.weights(entry))
            _show_calibration(entry, out)
        case "clusters":
            say("Clusters")
            out.print(sheet.clusters(entry))
            out.print(sheet.centres(entry))
            said = sheet.moves(entry)
            if said is not None:
                say(said)
        case _:
            say(f"Features: {', '.join((entry.frozen or {})['names'])}")


def _show_calibration(entry: Entry, out: Console) -> None:
    lines = list(calibration_lines(entry))
    if not lines:
        return
    say("What it said (across), and what share of that came true (up)")
    say(calibration_chart(entry, out.width, colour=out.is_terminal and not out.no_color))
    for line in lines:
        say(line)
    say()
