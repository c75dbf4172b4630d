"""A replay shown while it runs: drawn anew each week on a terminal, else a few plain lines every other month."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.readable import reason

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from rich.console import Console, RenderableType

BAR: Final = 26
_BLOCK_WEEKS: Final = 8
"""Where there is no terminal to draw over and over on: this often a block of plain lines."""


class Crossing(NamedTuple):
    """A customer who crossed, in words."""

    at: str
    customer: str
    words: str
    why: str


class LiveScreen(contextlib.AbstractContextManager["LiveScreen"]):
    """A replay's report; what is drawn of a week is the subclass's."""

    def __init__(self, console: Console) -> None:
        """Draw nothing yet."""
        self._console = console
        self._total = 1
        self._weeks = 0
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    @abstractmethod
    def take(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Take where things stand at the end of a week."""

    @abstractmethod
    def picture(self) -> RenderableType:
        """Return the week as it is drawn on a terminal."""

    @abstractmethod
    def block(self) -> Sequence[str]:
        """Return the week as plain lines."""

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

    @abstractmethod
    def changed(self, name: str, move: str, value: bytes) -> None:
        """Take a change: the segment's name, entered or exited, JSON."""

    def learned(self, model: str, value: bytes) -> None:
        """Draw nothing: where no models are, none learns."""

    def standing(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Draw a week."""
        self.take(at_ms, events, sizes)
        self._weeks += 1
        if self._live is not None:
            self._live.update(self.picture(), refresh=True)
        elif self._weeks % _BLOCK_WEEKS == 1:
            for line in self.block():
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def head(self, at_ms: int, events: int) -> Table:
        """Return the first line of a picture: the day, how many purchases there were, and how far that is."""
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=self._total, completed=events, width=BAR)
        head.add_row(Text(format_ms(at_ms)[:10], "bold"), f"{events:,} purchases", bar)
        return head


def crossing_of(change: Mapping[str, Any], title: str) -> Crossing:
    """Return a change (the JSON object of `segment-changes`) in words."""
    other = "" if change["other"] is None else f" from {change['other'].replace('_', ' ')}"
    at = change["at"][:16].replace("T", " ")
    return Crossing(at, change["customer_id"], f"→ {title}{other}", reason(change))


def crossing_table(crossings: Sequence[Crossing]) -> Table:
    """Return crossings as a table of which each row is one line."""
    table = Table.grid(padding=(0, 2), expand=True)
    for column in range(3):
        table.add_column(no_wrap=True, min_width=max((len(one[column]) for one in crossings), default=0))
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for one in crossings:
        table.add_row(Text(one.at, "dim"), one.customer, one.words, Text(one.why, "dim"))
    return table
