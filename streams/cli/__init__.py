"""The command `segue`: one file a command."""

from __future__ import annotations

import typer

from streams.cli.apply import apply
from streams.cli.check import check
from streams.cli.config import config
from streams.cli.customer import customer
from streams.cli.demo import demo
from streams.cli.dump import dump
from streams.cli.frame import Commands
from streams.cli.init import init
from streams.cli.replay import replay
from streams.cli.schema import schema
from streams.cli.tail import tail
from streams.cli.topics import topics
from streams.cli.up import up
from streams.cli.worker import worker

main = typer.Typer(
    name="segue",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # else help keeps the line breaks of the source
    pretty_exceptions_enable=False,  # what is no SegueError is a bug: its plain traceback is for a report
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Streaming customer segmentation: events in from Kafka, segment changes out at the moment they happen.",
)

main.command()(demo)
main.command()(init)
main.command()(check)
main.command()(schema)
main.command()(replay)
main.command()(up)
main.command()(worker)
main.command()(topics)
main.command()(apply)
main.command()(config)
main.command()(tail)
main.command()(customer)
main.command()(dump)
