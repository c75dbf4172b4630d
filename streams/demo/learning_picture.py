"""The picture of the models' demo: how good each became, week by week, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.drawing import INK, MUTED, pyplot, save
from streams.insight.pictures import COURSES, draw_calibration, draw_clusters, draw_course

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from streams.demo.learning import LearningStory
    from streams.insight.book import Entry

_SIZE: Final = (15.5, 9.5)
_COLUMNS: Final = 2


def write_png(story: LearningStory, path: Path, source: str) -> None:
    """Draw the models; raises `ServiceError` where the picture cannot be written."""
    panels = [(entry, draw) for entry in story.entries for draw in _panels(entry)]
    rows = -(-max(len(panels), 1) // _COLUMNS)
    figure, axes = pyplot().subplots(rows, _COLUMNS, figsize=(_SIZE[0], _SIZE[1] * rows / 2), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, (entry, draw) in zip(axes.flat, panels, strict=False):
        draw(axis, entry)
        axis.set_title(f"{entry.title}\n{axis.get_title(loc='left')}", loc="left", fontsize=11, color=INK)
    figure.suptitle("Models that learn from the stream they score", x=0.012, ha="left", fontsize=15, color=INK)
    figure.text(0.012, 0.008, source, fontsize=8, color=MUTED)
    figure.tight_layout(rect=(0, 0.02, 1, 0.985), h_pad=2.0, w_pad=3.0)
    save(figure, path)


def _panels(entry: Entry) -> Iterator[Callable[[Any, Entry], None]]:
    course = COURSES.get(entry.kind)
    if course is not None and entry.kind != "clusters":
        yield lambda axis, entry: draw_course(axis, entry, course)
    if entry.frozen is None:
        return
    if entry.kind == "propensity":
        yield draw_calibration
    elif entry.kind == "clusters":
        yield draw_clusters
