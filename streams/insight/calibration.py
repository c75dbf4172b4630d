"""What a propensity said beside what came true, ten bins of it, in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.drawing import empty_terminal_figure, module, terminal_text
from streams.insight.measures import SIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streams.insight.book import Entry

LEAST_LABELS: Final = 20
ROWS: Final = 21
MOST_COLUMNS: Final = 72
_STEPS: Final = 5
_INKS: Final = {"event": 208, "timer": 39}
_MARKS: Final = {"event": "○", "timer": "●"}
_DIAGONAL: Final = 244


class Bin(NamedTuple):
    """One tenth of all scores that has any: how many, what they said on average, and the share that came true."""

    labels: int
    said: float
    came_true: float


def bins_of(entry: Entry, side: str, span: str = "recent") -> list[Bin]:
    """Return the bins of a side that have labels; none where the model is no propensity."""
    return [
        Bin(one["labels"], one["score"], one["came_true"])
        for one in entry.recent(side, span).get("calibration", ())
        if one["labels"]
    ]


def telling(bins: Sequence[Bin]) -> list[Bin]:
    """Return the bins with labels enough that their share says something."""
    return [one for one in bins if one.labels >= LEAST_LABELS]


def calibration_chart(entry: Entry, width: int, *, colour: bool) -> str:
    """Return the chart as text: on the dotted line scores come true as often as they say. Empty with no labels."""
    found = {side: telling(bins_of(entry, side)) for side in SIDES}
    if not any(found.values()):
        return ""
    plotext = module("plotext")
    figure = empty_terminal_figure(min(width, MOST_COLUMNS), ROWS, colour=colour)
    ticks = [tenth / _STEPS for tenth in range(_STEPS + 1)]
    for axis in ("x", "y"):
        figure.ruler(axis).lim(0, 1)
        figure.ruler(axis).ticks(ticks, [f"{tick:.0%}" for tick in ticks])
    places = list(_diagonal())
    figure.draw(figure.signal(places, places, marker=plotext.marker("·", _DIAGONAL)))
    key = []
    for side, bins in found.items():
        if bins:
            mark = plotext.marker(_MARKS[side], _INKS[side]) if colour else _MARKS[side]
            figure.draw(figure.signal([one.said for one in bins], [one.came_true for one in bins], marker=mark))
            key.append(plotext.colorize(f"{_MARKS[side]} {SIDES[side]}   ", _INKS[side] if colour else "default"))
    figure.label(sum(key[1:], start=key[0]))
    return terminal_text(figure, colour=colour)


def calibration_lines(entry: Entry) -> Iterator[str]:
    """Yield the same in numbers, a line a bin."""
    for side, name in SIDES.items():
        bins = bins_of(entry, side)
        if bins:
            yield f"  {name + ':':<12}{_row('said', [f'{one.said:.0%}' for one in bins])}"
            yield f"  {'':<12}{_row('came true', [f'{one.came_true:.0%}' for one in bins])}"
            yield f"  {'':<12}{_row('labels', [f'{one.labels:,}' for one in bins])}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:<10}" + "".join(f"{cell:>7}" for cell in cells)


def _diagonal(points: int = 31) -> Iterator[Any]:
    return (point / (points - 1) for point in range(points))
