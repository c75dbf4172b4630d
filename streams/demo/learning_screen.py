"""What the demo of models shows while it runs: their quality as they learn, and who is about to be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.demo.ending import sparkline
from streams.demo.live import Crossing, LiveScreen, crossing_of, crossing_table
from streams.insight.measures import sides_of, sizes_of
from streams.insight.overview import verdict
from streams.insight.pictures import COURSES

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from streams.demo.learning import LearningStory
    from streams.insight.book import Entry

_CROSSINGS: Final = 8


class LearningScreen(LiveScreen):
    """A table of the models with the quality of the newest 5,000 samples, and customers about to be lost."""

    def __init__(self, story: LearningStory, console: Console) -> None:
        """Draw nothing yet."""
        super().__init__(console)
        self._story = story
        self._crossings: list[Crossing] = []

    def learned(self, model: str, value: bytes) -> None:
        """Pass a version of a model on to the story."""
        self._story.learned(model, value)

    def changed(self, name: str, move: str, value: bytes) -> None:
        """Pass a change on to the story."""
        self._story.changed(name, move, value)

    def take(self, at_ms: int, events: int, sizes: Counter[str]) -> None:
        """Pass a week on to the story."""
        del sizes
        self._story.week(at_ms, events)
        self._crossings = [*self._entered(), *self._crossings][:_CROSSINGS]

    def picture(self) -> RenderableType:
        """Return the week as a table of the models, and the newest to be about to be lost."""
        crossing = Text(f"{self._story.title}: {self._story.losing:,} now", "bold")
        head = self.head(self._story.at_ms, self._story.events)
        return Group(head, Text(), self._table(), Text(), crossing, crossing_table(self._crossings))

    def block(self) -> Sequence[str]:
        """Return the week in words."""
        lines = [f"{format_ms(self._story.at_ms)[:10]}  {self._story.events:,} purchases"]
        lines += [f"  {entry.key}: {'; '.join(_in_words(entry))}" for entry in self._story.entries]
        lines.append(f"  {self._story.title}: {self._story.losing:,} now")
        return [*lines, *(f"  {one.at}  {one.customer}  {one.words}: {one.why}" for one in self._entered())]

    def _entered(self) -> Iterator[Crossing]:
        return (crossing_of(change, self._story.title) for change in self._story.entered)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        head = ("model", "version", "samples", "measured", "quality", "", "beside", "week by week")
        for _ in head:
            table.add_column(no_wrap=True)
        table.add_row(*(Text(cell, "dim") for cell in head))
        for entry in self._story.entries:
            for number, row in enumerate(_rows(entry)):
                name = (Text(entry.key, "bold"), *_counts(entry)) if number == 0 else ("", "", "")
                table.add_row(*name, *row)
        return table


def _counts(entry: Entry) -> tuple[str, str]:
    snapshot = entry.snapshot
    return ("", "") if snapshot is None else (f"{snapshot.version:,}", f"{snapshot.samples:,}")


def _rows(entry: Entry) -> Iterator[Sequence[Text | str]]:
    side = max(sides_of(entry), key=lambda one: one.samples, default=None)
    if side is None:
        yield (entry.waits_for or "nothing measured yet", "", "", "", "")
        return
    drawn, rest = COURSES.get(entry.kind), Text(", ".join(_sizes(entry)), "dim")
    for number, measure in enumerate(measure for measure in side.measures if measure.main):
        measured = f"{side.samples:,} {side.name}" if number == 0 else ""
        is_drawn = drawn is not None and measure.name.lower().replace(" ", "_") == drawn.measure
        course = sparkline_of(entry) if is_drawn else rest
        yield (measured, measure.name, verdict(measure), Text(measure.beside, "dim"), course)


def sparkline_of(entry: Entry) -> str:
    """Return how the measure that is drawn over time went, week by week."""
    course = COURSES.get(entry.kind)
    if course is None:
        return ""
    points = [point.quality.get("timer", {}).get("recent", {}).get(course.measure) for point in entry.course]
    values = [round(value * 1000) for value in points if value is not None]
    return sparkline(values) if any(values) else ""


def _sizes(entry: Entry) -> list[str]:
    return [f"{cluster} {share:.0%}" for cluster, share in sizes_of(entry).items()]


def _in_words(entry: Entry) -> Iterator[str]:
    if entry.snapshot is None or entry.waits_for:
        yield entry.waits_for
        return
    yield f"version {entry.snapshot.version:,}, {entry.snapshot.samples:,} samples"
    for side in sides_of(entry):
        said = [
            f"{measure.name} {measure.said}" + (f" ({measure.beside})" if measure.beside else "")
            for measure in side.measures
            if measure.main
        ]
        yield f"{side.name} {', '.join(said)}"
    sizes = _sizes(entry)
    if sizes:
        yield ", ".join(sizes)
