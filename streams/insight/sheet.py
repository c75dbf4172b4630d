"""One model on one page: its quality, what it goes by, its clusters, its drift and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from rules.dates import format_ms
from state.models.describe import Words, written_number
from state.models.scale import Scale
from streams.insight.measures import drifts_of, sides_of
from streams.insight.overview import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import AnyModel
    from streams.insight.book import Entry

MOST_FEATURES: Final = 25
_BAR: Final = 12


def headline(entry: Entry) -> Iterator[str]:
    """Yield what the model is, its version and since when."""
    snapshot = entry.snapshot
    if snapshot is None:
        return
    title = "" if entry.title == entry.key else f": {entry.title}"
    yield f"{entry.key}{title}"
    if entry.definition is not None and entry.definition.description:
        yield f"  {entry.definition.description}"
    yield (
        f"  {entry.kind}, version {snapshot.version:,} of {format_ms(snapshot.created_at)}: {snapshot.samples:,} "
        f"samples learned; definition {snapshot.definition}"
    )
    if entry.edited:
        yield "  of an older definition, which nobody scores with any more: the model began anew"
    if entry.waits_for:
        yield f"  {entry.waits_for}; no score before that"


def meaning(entry: Entry) -> str:
    """Return what was measured, in words."""
    match entry.kind:
        case "propensity":
            return "each label met the score given before it; beside it a coin, always the base rate, what came true"
        case "value":
            return "each amount met the score given before it; beside it the running mean of all amounts, what came"
        case "clusters":
            return "distances to the centres, in standard deviations, before a sample moves one"
        case _:
            return "shares of scores; beside them what they are to be"


def quality(entry: Entry) -> Table:
    """Return the measures of each side, newest samples and all of them, beside doing without."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("measured")
    table.add_column("quality", no_wrap=True)
    for name in ("newest 5,000", "beside", "all", "beside"):
        table.add_column(name, justify="right", no_wrap=True)
    everything = {side.name: side for side in sides_of(entry, "all")}
    for side in sides_of(entry):
        whole = everything[side.name]
        table.add_row(Text(side.name, "bold"), "samples", f"{side.samples:,}", "", f"{whole.samples:,}", "")
        over_all = {measure.name: measure for measure in whole.measures}
        for measure in side.measures:
            other = over_all.get(measure.name)
            rest = ("", "") if other is None else (verdict(other), other.beside)
            table.add_row("", measure.name, verdict(measure), measure.beside, *rest)
    return table


def weights(entry: Entry) -> Table:
    """Return what a linear model goes by, the weightiest feature first."""
    frozen = entry.frozen or {}
    rows = sorted(
        zip(frozen["names"], frozen["weights"], frozen["means"], frozen["sds"], strict=True),
        key=lambda row: -abs(row[1]),
    )
    words = None if entry.learned_by is None else Words(entry.learned_by)
    most = max((abs(weight) for _, weight, _, _ in rows), default=0) or 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("feature", overflow="fold")
    table.add_column("weight", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("in words")
    for name, weight, mean, sd in rows[:MOST_FEATURES]:
        bar = Text("▇" * round(abs(weight) / most * _BAR), "green" if weight > 0 else "red")
        said = _plain_words(weight, sd) if words is None else words.weight(name, weight, mean, sd)
        table.add_row(name, f"{weight:+.2f}", bar, said)
    if len(rows) > MOST_FEATURES:
        table.add_row(f"and {len(rows) - MOST_FEATURES} more", "", "", "")
    return table


def _plain_words(weight: float, sd: float) -> str:
    return f"for each {written_number(sd)} more of it" if sd and weight else "tells nothing"


def clusters(entry: Entry) -> Table:
    """Return the clusters: their sizes, what is special about them, and customers who are like that."""
    labels = getattr(entry.definition, "labels", {})
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True, leading=1)
    table.add_column("cluster", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("against everybody")
    table.add_column("typical customers", overflow="fold")
    for cluster in (entry.frozen or {})["clusters"]:
        label = labels.get(cluster["id"])
        name = Text(cluster["id"], "bold") if label is None else Text.assemble((cluster["id"], "bold"), "\n", label)
        said = cluster["description"].replace("; ", "\n")
        table.add_row(name, f"{cluster['share']:.1%}", said, "\n".join(cluster["typical"]))
    return table


def centres(entry: Entry) -> Table:
    """Return the centres in the features' own units, beside everybody's."""
    frozen = entry.frozen or {}
    found = frozen["clusters"]
    scale = Scale(frozen["scale"]["mean"], frozen["scale"]["sd"])
    total = sum(cluster["share"] for cluster in found) or 1
    everybody = [
        sum(cluster["share"] * cluster["centre"][place] for cluster in found) / total
        for place in range(len(frozen["names"]))
    ]
    columns = [_natural(entry.learned_by, scale, one) for one in (everybody, *(one["centre"] for one in found))]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("in the middle", overflow="fold")
    for name in ("everybody", *(cluster["id"] for cluster in found)):
        table.add_column(name, justify="right", no_wrap=True)
    for place, name in enumerate(frozen["names"]):
        table.add_row(name, *(written_number(round(column[place], 6)) for column in columns))
    return table


def _natural(definition: AnyModel | None, scale: Scale, centre: Sequence[float]) -> Sequence[float]:
    x = scale.natural(centre)
    return x if definition is None else Words(definition).natural(x)


def drift(entry: Entry) -> str:
    """Return what was noticed of drift, in words."""
    newest, count = entry.metrics.get("drift", {}).get("newest"), drifts_of(entry)
    if not newest:
        return "Drift: none noticed"
    came = {None: "", "kept": "; learned anew, the model as it was does better", "published": "; learned anew"}
    counts = ", ".join(f"{name} {number}" for name, number in entry.metrics["drift"]["counts"].items() if number)
    return (
        f"Drift: noticed {count} times ({counts}), last {format_ms(newest['at'])}: {newest['detector']} "
        f"{_number(newest['before'])} before, {_number(newest['after'])} after{came[newest.get('refit')]}"
    )


def _number(value: Any) -> str:
    return f"{value:.3f}"


def moves(entry: Entry) -> str | None:
    """Return how often customers change their cluster, in words; None where nobody was seen twice."""
    shares = entry.metrics.get("quality", {}).get("moves_a_week", {})
    if shares.get("recent") is None:
        return None
    lately, ever = (f"{shares[span]:.1%}" for span in ("recent", "all"))
    return f"In a week {lately} of customers change their cluster lately, {ever} since the start"
