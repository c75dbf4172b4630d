"""Segment sizes over time: as a picture, and in the terminal.

matplotlib and plotext come with the extra `charts`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final, TypeVar

from streams.drawing import (
    COLOURS,
    INK,
    MUTED,
    TERMINAL_COLOURS,
    bare,
    empty_terminal_figure,
    module,
    pyplot,
    save,
    terminal_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from streams.demo.story import Group, Line, Story

T = TypeVar("T")

_LABEL_GAP: Final = 0.075
"""Least distance of two labels, as a share of the axis."""

_TERMINAL_ROWS: Final = 20
_MARKS: Final = "○+●x#*@"
"""Where there are no colours."""

_MOST_TICKS: Final = 6


def write_png(story: Story, path: Path, source: str) -> None:
    """Write the picture: each segmentation as areas that sum to all customers, the other segments as lines."""
    pictures = pyplot()
    heights = [3.4 if index == 0 else 2.4 for index in range(len(story.groups))]
    figure, axes = pictures.subplots(
        len(heights), 1, figsize=(10, sum(heights) + 1), sharex=True, height_ratios=heights, squeeze=False
    )
    days = [datetime.fromtimestamp(week.at_ms / 1000, UTC) for week in story.weeks]
    for group, axis in zip(story.groups, axes[:, 0], strict=True):
        _draw(axis, story, group, days)
    figure.suptitle("Customers by segment, week by week", x=0.012, ha="left", fontsize=15, color=INK)
    figure.text(0.012, 0.008, source, fontsize=8, color=MUTED)
    figure.tight_layout(rect=(0, 0.02, 1, 0.995))
    save(figure, path)


def terminal_chart(story: Story, group: Group, width: int, *, colour: bool) -> str:
    """Return the sizes of one group's segments over time as text of so many columns."""
    plotext, figure = module("plotext"), empty_terminal_figure(width, _TERMINAL_ROWS, colour=colour)
    lines = story.present(group)
    weeks = list(range(len(story.weeks)))
    key = []
    for line, mark in zip(lines, cycle(_MARKS)):
        ink = terminal_colour(line)
        marker = plotext.marker("hd", ink) if colour else mark
        figure.draw(figure.signal(weeks, story.sizes_of(line.name), marker=marker).lines())
        key.append(plotext.colorize(f"{'■' if colour else mark} {line.title}   ", ink if colour else "default"))
    figure.ruler("x").ticks(*_month_ticks(story))
    figure.ruler("y").ticks(*_count_ticks(max(max(story.sizes_of(line.name)) for line in lines)))
    figure.label(sum(key[1:], start=key[0]))
    return terminal_text(figure, colour=colour)


def terminal_colour(line: Line) -> int:
    """Return a segment's colour, of the 256 that terminals know."""
    return _of(TERMINAL_COLOURS, line)


def _of(palette: Sequence[T], line: Line) -> T:
    """Return the segment's colour; the first one is for `otherwise` alone."""
    return palette[line.place and 1 + (line.place - 1) % (len(palette) - 1)]


def _month_ticks(story: Story) -> tuple[list[int], list[str]]:
    """Return every third month's first week, and its name."""
    ticks: dict[str, int] = {}
    for index, week in enumerate(story.weeks):
        month = datetime.fromtimestamp(week.at_ms / 1000, UTC)
        if month.month % 3 == 1:
            ticks.setdefault(f"{month:%b %Y}", index)
    return list(ticks.values()), list(ticks)


def _count_ticks(most: int) -> tuple[list[int], list[str]]:
    """Return four to eight round counts from 0 up to the largest, and how they are written."""
    step = next(
        unit * 10**power for power in range(12) for unit in (1, 2, 5) if most / (unit * 10**power) <= _MOST_TICKS
    )
    ticks = list(range(0, most + 1, step))
    return ticks, [f"{tick:,}" for tick in ticks]


def _draw(axis: Any, story: Story, group: Group, days: Sequence[datetime]) -> None:
    lines = story.present(group)
    sizes = [story.sizes_of(line.name) for line in lines]
    colours = [_of(COLOURS, line) for line in lines]
    if group.exclusive:
        axis.stackplot(days, sizes, colors=colours, linewidth=0)
        ends = _stacked_middles([series[-1] for series in sizes])
    else:
        for series, colour in zip(sizes, colours, strict=True):
            axis.plot(days, series, color=colour, linewidth=1.8)
        ends = [series[-1] for series in sizes]
    axis.set_title(group.title, loc="left", fontsize=11, color=INK)
    axis.set_xlim(days[0], days[-1])
    axis.set_ylim(bottom=0)
    axis.margins(y=0.02)
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.grid(axis="y", color="white" if group.exclusive else "#dddddd", linewidth=0.6, alpha=0.6)
    bare(axis)
    _label_ends(axis, list(zip(ends, lines, colours, strict=True)))


def _label_ends(axis: Any, ends: Sequence[tuple[float, Line, str]]) -> None:
    """Name each series (its end, its segment, its colour) where it ends; pushed apart where they end close together."""
    top = axis.get_ylim()[1]
    lowest = -1.0
    for end, line, colour in sorted(ends):
        place = max(end / top, lowest + _LABEL_GAP)
        lowest = place
        axis.text(1.008, place, "■", transform=axis.transAxes, va="center", fontsize=9, color=colour)
        axis.text(1.026, place, line.title, transform=axis.transAxes, va="center", fontsize=9, color=INK)


def _stacked_middles(sizes: Sequence[int]) -> list[float]:
    return [sum(sizes[:index]) + size / 2 for index, size in enumerate(sizes)]
