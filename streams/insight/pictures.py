"""A model as a picture: what it goes by, how far its scores come true, its clusters, and its quality over time."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from streams.drawing import COLOURS, FAINT, INK, MUTED, bare, pyplot, save
from streams.insight.calibration import bins_of, telling
from streams.insight.measures import SIDES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from streams.insight.book import Entry

    Panel = Callable[[Any, Entry], None]

SIDE_COLOURS: Final = {"event": COLOURS[5], "timer": COLOURS[6]}
_MOST_FEATURES: Final = 15
_FEW: Final = 3
"""Versions that make a line."""
_LEAST_SAMPLES: Final = 200
"""Measures of fewer say little, and would stretch the scale."""
_LEAST_DOT: Final = 25
_LARGEST_DOT: Final = 300
_LINE: Final = 62
"""Letters of a cluster's description in a line."""


class Course(NamedTuple):
    """One measure over time, of one side: what it is called, and the name of the one it is held against."""

    measure: str
    name: str
    beside: str | None
    beside_name: str


def write_png(entry: Entry, path: Path) -> None:
    """Draw a model; raises `ServiceError` where it cannot be written."""
    panels = list(_panels(entry))
    pictures = pyplot()
    figure, axes = pictures.subplots(len(panels), 1, figsize=(9, 4.2 * len(panels) + 0.8), squeeze=False)
    for axis, panel in zip(axes[:, 0], panels, strict=True):
        panel(axis, entry)
    snapshot = entry.snapshot
    figure.suptitle(entry.title, x=0.012, ha="left", fontsize=15, color=INK)
    if snapshot is not None:
        day = datetime.fromtimestamp(snapshot.created_at / 1000, UTC)
        text = f"{entry.key}, version {snapshot.version:,} of {day:%Y-%m-%d}, {snapshot.samples:,} samples learned."
        figure.text(0.012, 0.008, f"{text} Drawn by segue.", fontsize=8, color=MUTED)
    figure.tight_layout(rect=(0, 0.02, 1, 0.99))
    save(figure, path)


def draw_calibration(axis: Any, entry: Entry) -> None:
    """Draw what a propensity said beside what came true, ten bins a side; a dot's area tells of its labels."""
    found = {side: telling(bins_of(entry, side)) for side in SIDES}
    most = max((one.labels for bins in found.values() for one in bins), default=1)
    axis.plot([0, 1], [0, 1], color=FAINT, linewidth=1.2, zorder=1)
    for side, bins in found.items():
        areas = [max(_LEAST_DOT, _LARGEST_DOT * one.labels / most) for one in bins]
        said, came = [one.said for one in bins], [one.came_true for one in bins]
        if bins:
            axis.plot(said, came, color=SIDE_COLOURS[side], linewidth=0.8, alpha=0.5)
            axis.scatter(said, came, s=areas, color=SIDE_COLOURS[side], alpha=0.85, linewidth=0, label=SIDES[side])
    for set_limits, formatter in ((axis.set_xlim, axis.xaxis), (axis.set_ylim, axis.yaxis)):
        set_limits(0, 1)
        formatter.set_major_formatter("{x:.0%}")
    axis.set_xlabel("what it said", color=MUTED)
    axis.set_ylabel("what came true", color=MUTED)
    axis.set_title("On the line, scores come true as often as they say", loc="left", fontsize=11, color=INK)
    if any(found.values()):
        axis.legend(frameon=False, loc="upper left", labelcolor=INK)
    _finish(axis, "both")


def draw_weights(axis: Any, entry: Entry) -> None:
    """Draw what a linear model goes by: the weights of the scaled features, the weightiest on top."""
    frozen = entry.frozen or {}
    rows = sorted(zip(frozen["weights"], frozen["names"], strict=True), key=lambda row: -abs(row[0]))[:_MOST_FEATURES]
    names, values = [name for _, name in rows], [weight for weight, _ in rows]
    places = range(len(rows))
    axis.barh(list(places), values, color=[COLOURS[2] if value > 0 else COLOURS[5] for value in values], height=0.65)
    axis.set_yticks(list(places), names)
    axis.invert_yaxis()
    axis.axvline(0, color=MUTED, linewidth=0.8)
    unit = "log-odds" if entry.kind == "propensity" else "amount"
    axis.set_title(
        f"What one standard deviation more of a feature makes of the score ({unit})",
        loc="left", fontsize=11, color=INK,
    )  # fmt: skip
    _finish(axis, "x")


def draw_clusters(axis: Any, entry: Entry) -> None:
    """Draw the clusters: bars as long as their shares, beside them what is special about each."""
    found = (entry.frozen or {})["clusters"]
    labels = getattr(entry.definition, "labels", {})
    shares = [cluster["share"] for cluster in found]
    axis.barh(range(len(found)), shares, color=[_cluster_colour(place) for place in range(len(found))], height=0.6)
    names = [f"{cluster['id']}  {labels.get(cluster['id'], '')}".rstrip() for cluster in found]
    axis.set_yticks(range(len(found)), names)
    axis.invert_yaxis()
    top = max(shares, default=1)
    axis.set_xlim(0, top * 3.2)
    for place, cluster in enumerate(found):
        text = "\n".join(line for part in cluster["description"].split("; ") for line in textwrap.wrap(part, _LINE))
        axis.text(cluster["share"] + top * 0.03, place, f"{cluster['share']:.0%}", va="center", color=INK, fontsize=10)
        axis.text(top * 1.22, place, text, va="center", color=INK, fontsize=8)
    axis.set_xticks([])
    axis.set_title("Clusters: their share of recent samples, and against everybody", loc="left", fontsize=11, color=INK)
    bare(axis)


def draw_course(axis: Any, entry: Entry, course: Course) -> None:
    """Draw one measure of the newest samples at each version, and under it (dashed) what it is held against."""
    for side, name in SIDES.items():
        points = list(_points(entry, side, course))
        if len(points) < _FEW:
            continue
        days = [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms, _ in points]
        axis.plot(days, [numbers[course.measure] for _, numbers in points], color=SIDE_COLOURS[side], label=name)
        if course.beside is not None:
            held = [numbers[course.beside] for _, numbers in points]
            axis.plot(days, held, color=SIDE_COLOURS[side], linewidth=0.9, linestyle="--", alpha=0.6)
    title = f"{course.name}, newest 5,000 samples" + (f"; dashed: {course.beside_name}" if course.beside_name else "")
    axis.set_title(title, loc="left", fontsize=11, color=INK)
    axis.legend(frameon=False, labelcolor=INK)
    axis.tick_params(axis="x", labelrotation=0)
    _finish(axis, "y")


COURSES: Final = {
    "propensity": Course("log_loss", "Log loss", "base_log_loss", "always the base rate"),
    "value": Course("rmse", "Root mean square error", "running_mean_rmse", "the running mean"),
    "clusters": Course("distortion", "Distortion", None, ""),
}
"""By kind, which measure is drawn over time."""


def _panels(entry: Entry) -> Iterator[Panel]:
    if entry.frozen is not None:
        match entry.kind:
            case "propensity":
                yield draw_calibration
                yield draw_weights
            case "value":
                yield draw_weights
            case "clusters":
                yield draw_clusters
    course = COURSES.get(entry.kind)
    if course is not None and _has_course(entry, course):
        yield lambda axis, entry: draw_course(axis, entry, course)
    elif entry.frozen is None or entry.kind not in COURSES:
        yield _draw_nothing


def _has_course(entry: Entry, course: Course) -> bool:
    return any(len(list(_points(entry, side, course))) >= _FEW for side in SIDES)


def _points(entry: Entry, side: str, course: Course) -> Iterator[tuple[int, dict[str, Any]]]:
    for point in entry.course:
        numbers = point.quality.get(side, {}).get("recent", {})
        samples = numbers.get("labels", numbers.get("samples", 0))
        if samples >= _LEAST_SAMPLES and numbers.get(course.measure) is not None:
            yield point.at_ms, numbers


def _draw_nothing(axis: Any, entry: Entry) -> None:
    text = entry.waits_for or "an anomaly score has nothing to draw"
    axis.text(0.5, 0.5, text, ha="center", va="center", color=MUTED)
    axis.set_xticks([])
    axis.set_yticks([])
    bare(axis)


def _cluster_colour(place: int) -> str:
    colours: Sequence[str] = COLOURS[1:]
    return colours[place % len(colours)]


def _finish(axis: Any, grid: str) -> None:
    axis.grid(axis=grid, color=FAINT, linewidth=0.6, alpha=0.7)
    axis.set_axisbelow(True)
    bare(axis)
