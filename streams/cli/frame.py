"""The frame of the command line: what an error looks like, and where words and progress go."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from rules.errors import SegueError

if TYPE_CHECKING:
    from types import TracebackType


class Commands(TyperGroup):
    """Commands whose `SegueError`s are a message on stderr and exit code 1: a person can act on them."""

    def invoke(self, ctx: Any) -> Any:  # the context's own class is private to typer
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SegueError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


def say(text: str = "") -> None:
    """Print a line for people, as it is: names of customers and segments are no markup."""
    typer.echo(text)


class TerminalReport(contextlib.AbstractContextManager["TerminalReport"]):
    """Progress as a bar on stderr where that is a terminal, lines on stdout."""

    def __init__(self) -> None:
        """Draw nothing yet."""
        console = Console(stderr=True)
        self._shown = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not self._shown,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing and clear the bar away."""
        self._progress.stop()

    def begin(self, what: str, total: int) -> None:
        """Begin a phase of `total` units of work."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total)

    def progress(self, done: int) -> None:
        """So many units of the phase are done."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def line(self, text: str) -> None:
        """Say where things stand."""
        say(text)
