"""What the demo shows while it runs: segments filling, and customers crossing, with the reason."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.demo.charts import terminal_colour
from streams.readable import reason, segment_name

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import RenderableType

    from streams.demo.story import Story

_BAR: Final = 26
_CROSSINGS: Final = 9
_BLOCK_WEEKS: Final = 8
"""Where there is no terminal to draw over and over on: this often a block of plain lines."""


class DemoScreen(contextlib.AbstractContextManager["DemoScreen"]):
    """A replay's report: a picture drawn anew each week on a terminal, else a few lines every other month."""

    def __init__(self, story: Story, console: Console, customers: int) -> None:
        """Take how many `customers` there will be for the length of a full bar."""
        self._story = story
        self._console = console
        self._customers = customers
        self._total = 1
        self._crossings: list[_Crossing] = []
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        """Start drawing."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing and clear it away."""
        if self._live is not None:
            self._live.stop()

    def begin(self, what: str, total: int) -> None:
        """Begin a phase of `total` units of work."""
        self._total = max(total, 1)
        if self._live is not None:
            self._live.update(Text(f"{what} …", "dim"), refresh=True)

    def progress(self, done: int) -> None:
        """Draw nothing: the weeks say how far it is."""

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Pass a change on to the story."""
        self._story.changed(name, move, value)

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Draw a week."""
        self._story.week(at_ms, events, sizes)
        self._crossings = [*self._picked(), *self._crossings][:_CROSSINGS]
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)
        elif len(self._story.weeks) % _BLOCK_WEEKS == 1:
            self._print_block()

    def _picked(self) -> Iterator[_Crossing]:
        for change in self._story.picked:
            title = self._story.title(segment_name(change))
            other = "" if change["other"] is None else f" from {change['other'].replace('_', ' ')}"
            at = change["at"][:16].replace("T", " ")
            yield _Crossing(at, change["customer_id"], f"→ {title}{other}", reason(change))

    def _picture(self) -> RenderableType:
        week = self._story.weeks[-1]
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._total, completed=week.events, width=_BAR)
        head.add_row(Text(format_ms(week.at_ms)[:10], "bold"), f"{week.events:,} purchases", bar)
        return Group(head, Text(), self._bars(), Text(), Text("Crossing", "bold"), self._crossing_table())

    def _bars(self) -> Table:
        week = self._story.weeks[-1]
        table = Table.grid(padding=(0, 1))
        for group in self._story.groups:
            full = (
                self._customers if group.exclusive else max(max(self._story.sizes_of(one.name)) for one in group.lines)
            )
            table.add_row(Text(group.title, "bold"))
            for line in group.lines:
                size = week.sizes.get(line.name, 0)
                ink = f"color({terminal_colour(line)})"
                bar = ProgressBar(
                    total=max(full, 1), completed=size, width=_BAR, complete_style=ink, finished_style=ink
                )
                table.add_row(f"  {line.title}", bar, Text(f"{size:,}", justify="right"))
        return table

    def _crossing_table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        for column in range(3):
            table.add_column(no_wrap=True, min_width=max((len(one[column]) for one in self._crossings), default=0))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for one in self._crossings:
            table.add_row(Text(one.at, "dim"), one.customer, one.words, Text(one.why, "dim"))
        return table

    def _print_block(self) -> None:
        week = self._story.weeks[-1]
        say = partial(self._console.print, highlight=False, markup=False, soft_wrap=True)
        say(f"{format_ms(week.at_ms)[:10]}  {week.events:,} purchases")
        for group in self._story.groups:
            parts = [f"{line.title} {week.sizes[line.name]:,}" for line in group.lines if line.name in week.sizes]
            say(f"  {group.title}: {', '.join(parts)}")
        for one in self._picked():
            say(f"  {one.at}  {one.customer}  {one.words}: {one.why}")


class _Crossing(NamedTuple):
    """A customer who crossed, in words."""

    at: str
    customer: str
    words: str
    why: str
