"""The command `segue`: one file a command."""

from __future__ import annotations

import typer

from streams.cli.frame import Commands

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


@main.callback()
def segue() -> None:
    """Make `main` a group; the commands are those that `Commands` names."""
