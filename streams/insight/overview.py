"""All models in one table: how far each is, how good beside doing without, and whether it drifts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from streams.insight.measures import drifts_of, sides_of, sizes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.insight.book import Book, Entry
    from streams.insight.measures import Measure

FEW: Final = 500
"""Samples of which measures still jump."""
_DATE: Final = len("2026-01-01")


def overview(entries: Iterable[Entry], span: str = "recent") -> Table:
    """Return the table; quality is over the newest 5,000 samples of each side, or over `all`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, leading=1)
    table.add_column("model", overflow="fold")
    for name in ("version", "samples"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("measured")
    table.add_column("quality", no_wrap=True)
    for name in ("", "beside"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("drift", no_wrap=True)
    for entry in entries:
        table.add_row(*_cells(entry, span))
    return table


def remarks(book: Book) -> Iterator[str]:
    """Yield what the table has no room for: clusters' sizes, problems, versions of another definition."""
    for entry in book.entries:
        if entry.edited:
            yield (
                f"{entry.key}: this version is of an older definition, which nobody scores with any more; the model "
                "began anew and has no version yet"
            )
        elif entry.snapshot is None:
            yield f"{entry.key}: no version yet; {entry.label_comes}"
        sizes = [f"{cluster} {share:.0%}" for cluster, share in sizes_of(entry).items()]
        if sizes:
            yield f"{entry.key}: of the recent samples, {', '.join(sizes)}"
        for side in sides_of(entry):
            if side.samples < FEW:
                yield f"{entry.key}: {side.samples:,} samples {side.name} say little yet"
        for problem in entry.metrics.get("problems", ()):
            yield f"{entry.key}: {problem}"


def verdict(measure: Measure) -> Text:
    """Return a measure's number, green where it is better than doing without and red where it is worse."""
    style = "" if measure.better is None else "green" if measure.better else "red"
    return Text(measure.said, style)


def _cells(entry: Entry, span: str) -> Iterator[Text | str]:
    snapshot = entry.snapshot
    yield Text.assemble((entry.key, "bold"), "\n", (entry.kind, "dim"))
    yield "" if snapshot is None else f"{snapshot.version:,}"
    yield "" if snapshot is None else f"{snapshot.samples:,}"
    yield from _quality(entry, span)
    yield _drift(entry)


def _quality(entry: Entry, span: str) -> Iterator[Text | str]:
    rows: list[tuple[str, Text | str, Text | str, str]] = []
    for side in sides_of(entry, span):
        measured = f"{side.samples:,} {side.name}"
        for measure in side.measures:
            if measure.main:
                rows.append((measured, measure.name, verdict(measure), measure.beside))
                measured = ""
    if not rows:
        rows = [(entry.waits_for or "nothing yet", "", "", "")]
    for column in zip(*rows, strict=True):
        yield Text("\n").join(Text(cell) if isinstance(cell, str) else cell for cell in column)


def _drift(entry: Entry) -> str:
    if entry.snapshot is None:
        return ""
    newest, count = entry.metrics.get("drift", {}).get("newest"), drifts_of(entry)
    return f"{count}, {format_ms(newest['at'])[:_DATE]}" if newest else "none"
