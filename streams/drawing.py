"""What pictures share: how matplotlib and plotext are found, and their inks.

Both come with the extra `charts` and are imported when something is drawn: a worker draws nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from rules.errors import ServiceError

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

# Okabe and Ito's colours: told apart with any colour vision (Color Universal Design, 2008).
COLOURS: Final = ("#BBBBBB", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#0072B2", "#CC79A7")
INK: Final = "#333333"
MUTED: Final = "#777777"
FAINT: Final = "#dddddd"

TERMINAL_COLOURS: Final = (248, 39, 35, 220, 208, 196, 75, 176)
"""Of the 256 that terminals know, those nearest to the picture's, bright enough for a dark one."""

_DOTS_AN_INCH: Final = 130


def need_charts() -> None:
    """Raise `ServiceError` where the extra `charts` is not installed: before the work rather than after."""
    module("matplotlib")
    module("plotext")


def module(name: str) -> ModuleType:
    """Return a module that draws; raises `ServiceError` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"this draws with {error.name}, which is not installed: install segue with its extra `charts`"
        raise ServiceError(message) from error


def pyplot() -> Any:
    """Return matplotlib's pyplot, set to draw into files; raises `ServiceError`."""
    module("matplotlib").use("agg")
    return module("matplotlib.pyplot")


def save(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib as PNG and forget it; raises `ServiceError`."""
    try:
        figure.savefig(path, dpi=_DOTS_AN_INCH, format="png")
    except OSError as error:
        message = f"{path}: the picture cannot be written: {error.strerror}; name a file that can be"
        raise ServiceError(message) from error
    finally:
        pyplot().close(figure)


def bare(axis: Any) -> None:
    """Take from an axis of matplotlib what says nothing: its frame and its ticks."""
    axis.tick_params(colors=MUTED, length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def empty_terminal_figure(width: int, rows: int, *, colour: bool) -> Any:
    """Return plotext's figure with nothing on it, of so many columns and rows, wider than the terminal if asked."""
    plotext = module("plotext")
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear()
    figure.theme("simple" if colour else "colorless")
    figure.plot_size(width, rows)
    return figure


def terminal_text(figure: Any, *, colour: bool) -> str:
    """Return what is on plotext's figure."""
    text = str(figure.build().string())
    return text if colour else str(module("plotext").uncolorize(text))
