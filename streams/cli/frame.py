"""The frame of the command line: what an error looks like, and where words and progress go."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from typer.core import TyperGroup

from rules.dates import format_ms
from rules.errors import SegueError
from streams.logs import OURS, begin_logs, log_loops_errors

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Coroutine
    from types import TracebackType

T = TypeVar("T")
log = logging.getLogger(__name__)
WIDTH = 100
"""Columns of a table or a chart where no terminal says how many."""


COMMANDS = (
    "demo", "init", "check", "schema", "replay", "up", "worker", "serve", "keys", "webhooks", "topics", "apply",
    "config", "tail", "customer", "export", "models", "model", "dump",
)  # fmt: skip
"""In the order in which help lists them; `segue NAME` is the function (or group) NAME of `streams/cli/NAME.py`."""


class Commands(TyperGroup):
    """The commands, each imported when it is asked for: `segue check` need not wait for Faust.

    Their `SegueError`s are a message on stderr and exit code 1: a person can act on them.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, None where there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = getattr(importlib.import_module(f"streams.cli.{cmd_name}"), cmd_name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(
            add_completion=False,
            rich_markup_mode=self.rich_markup_mode,
            pretty_exceptions_enable=False,
        )
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)

    def invoke(self, ctx: Any) -> Any:  # the context's own class is private to typer
        """Run a command."""
        try:
            return super().invoke(ctx)
        except SegueError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; of what is logged, segue's own warnings alone reach the terminal: errors are raised."""
    logging.basicConfig(level=logging.CRITICAL, format="%(levelname)s %(name)s: %(message)s")
    for ours in OURS:
        logging.getLogger(ours).setLevel(logging.WARNING)
    return asyncio.run(work)


def serve(work: Coroutine[Any, Any, None], log_level: str, log_format: Literal["text", "json"] = "text") -> None:
    """Run a coroutine until it ends, or until SIGINT or SIGTERM: then it is cancelled, and finishes in its own way.

    What made it fail is the last line of the log, and the exit code is 1.
    """
    begin_logs(getattr(logging, log_level.upper()), log_format)
    try:
        asyncio.run(_until_asked(work))
    except SegueError as error:
        if log_format == "text":
            raise  # its words are the last line
        log.critical("%s", error)
        raise typer.Exit(1) from None
    except Exception:
        log.critical("this is a defect of segue, or of what it runs on", exc_info=True)
        raise typer.Exit(1) from None


async def _until_asked(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loops_errors)
    task = asyncio.create_task(work)
    signals = (signal.SIGINT, signal.SIGTERM)
    asked = False

    def ask() -> None:
        nonlocal asked
        asked = True
        for one in signals:
            loop.remove_signal_handler(one)  # a second one ends it at once
        task.cancel()

    for one in signals:
        loop.add_signal_handler(one, ask)
    try:
        await task
    except asyncio.CancelledError:
        if not asked:
            raise


def console() -> Console:
    """Return where tables go: names in them are no markup, and without a terminal a line has 100 columns."""
    found = Console(markup=False, highlight=False, emoji=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found


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

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Print one line: the moment, the records read so far, the segments by name (empty ones left out)."""
        segments = "  ".join(f"{name} {size:,}" for name, size in sorted(sizes.items()))
        text = f"{format_ms(at_ms)}  events {events:,}  {segments}"
        if self._shown and sys.stdout.isatty():
            # above the bar, which plain output would tear apart
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            say(text)

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Say nothing: a file has them all."""

    def learned(self, model: str, value: bytes) -> None:
        """Say nothing: a file has them all, and `segue models` shows it."""
