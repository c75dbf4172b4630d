"""What the demo shows while it runs: segments filling, and customers crossing, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.demo.charts import terminal_colour
from streams.demo.live import BAR, Crossing, LiveScreen, crossing_of, crossing_table
from streams.readable import segment_name

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from streams.demo.story import Story

_CROSSINGS: Final = 9


class DemoScreen(LiveScreen):
    """Bars of the segments, and the newest of the picked crossings."""

    def __init__(self, story: Story, console: Console, customers: int) -> None:
        """Take how many `customers` there will be for the length of a full bar."""
        super().__init__(console)
        self._story = story
        self._customers = customers
        self._crossings: list[Crossing] = []

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Pass a change on to the story."""
        self._story.changed(name, move, value)

    def take(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Pass a week on to the story, and keep the crossings that it picks."""
        self._story.week(at_ms, events, sizes)
        self._crossings = [*self._picked(), *self._crossings][:_CROSSINGS]

    def picture(self) -> RenderableType:
        """Return the week with a bar a segment."""
        week = self._story.weeks[-1]
        crossings = crossing_table(self._crossings)
        return Group(
            self.head(week.at_ms, week.events), Text(), self._bars(), Text(), Text("Crossing", "bold"), crossings
        )

    def block(self) -> Sequence[str]:
        """Return the week in words."""
        week = self._story.weeks[-1]
        lines = [f"{format_ms(week.at_ms)[:10]}  {week.events:,} purchases"]
        for group in self._story.groups:
            parts = [f"{line.title} {week.sizes[line.name]:,}" for line in group.lines if line.name in week.sizes]
            lines.append(f"  {group.title}: {', '.join(parts)}")
        return [*lines, *(f"  {one.at}  {one.customer}  {one.words}: {one.why}" for one in self._picked())]

    def _picked(self) -> Iterator[Crossing]:
        return (crossing_of(change, self._story.title(segment_name(change))) for change in self._story.picked)

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
                bar = ProgressBar(total=max(full, 1), completed=size, width=BAR, complete_style=ink, finished_style=ink)
                table.add_row(f"  {line.title}", bar, Text(f"{size:,}", justify="right"))
        return table
