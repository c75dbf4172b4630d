"""`segue check`: whether definitions are right, and what they cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from rules.load import load_ruleset
from rules.models.unit import ModelUnit
from rules.needs import Needs
from state.cost import TEXT_CHARS, feature_bytes, full_bytes, model_bytes, new_bytes
from state.engine import Engine
from streams.cli.frame import say

if TYPE_CHECKING:
    from rules.ruleset import Ruleset, Segment

PathArgument = Annotated[Path, typer.Argument(metavar="PATH", help="A definitions file, or a folder of them.")]
NARROWEST: Final = 100
"""Columns of a table that goes to a file, where no terminal says how many."""


def check(path: PathArgument) -> None:
    """Check definitions: every error with its place, or a table of the segments and what they cost.

    With errors, each is one line, `file:line: path: what is wrong; what to write instead`, and the exit status is 1.
    Warnings (conditions that always or never hold) are listed and change nothing.

    The table says in words what is kept of a customer for each segment, and the bytes that takes at most: in a profile
    as it is stored, with every window full (256 values or 64 panes, 256 open times a step). Segments that need the
    same share it, so the total is less than the sum. A new customer costs little; one who has done everything, often,
    costs the most. On top come their traits (32 KiB at most), their view, and what the store itself needs to find
    them (about 160 bytes in Valkey).
    """
    ruleset = load_ruleset(path)
    say(f"{_count(ruleset)}: ruleset {ruleset.version}")
    if ruleset.segments or ruleset.models:
        console = Console(markup=False, highlight=False, emoji=False)  # names are names, whatever is in them
        if not console.is_terminal:
            console.width = NARROWEST
        console.print(_table(ruleset))
        _say_total(ruleset)
    for warning in ruleset.warnings:
        say(str(warning))


def _count(ruleset: Ruleset) -> str:
    counts = [(len(ruleset.segments), "segment"), (len(ruleset.segmentations), "segmentation")]
    if ruleset.models:
        counts.append((len(ruleset.models), "model"))
    return ", ".join(_plural(count, noun) for count, noun in counts)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _table(ruleset: Ruleset) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("segment", overflow="fold")
    table.add_column("what is kept for it", overflow="fold")
    table.add_column("bytes at most", justify="right")
    inside = {key: one.key for one in ruleset.segmentations for key in one.segments}
    segments = {segment.key: segment for segment in ruleset.segments}
    for segment in ruleset.segments:
        if segment.key not in inside:
            _add(table, segment, segment.key)
    for segmentation in ruleset.segmentations:
        for key in segmentation.segments:
            _add(table, segments[key], f"{segmentation.key}.{key}")
        table.add_row(f"{segmentation.key}.{segmentation.otherwise}", "nothing: it is what is left", "0")
    for model in ruleset.models:
        needs = Needs()
        unit = ModelUnit(model, needs)
        kept = list(needs.words())
        if model.most_pending:
            kept.append(f"{_plural(model.most_pending, 'sample')} that wait for their label")
        own = model_bytes(unit)
        table.add_row(f"model {model.key}", "\n".join(kept), f"{sum(map(feature_bytes, needs.specs)) + own:,}")
    return table


def _add(table: Table, segment: Segment, place: str) -> None:
    needs = Needs.of(segment.when, segment.until)
    kept = "\n".join(needs.words()) or "nothing"
    table.add_row(place, kept, f"{sum(map(feature_bytes, needs.specs)):,}")


def _say_total(ruleset: Ruleset) -> None:
    engine = Engine(ruleset)
    features = len(engine.compiled.specs)
    say(
        f"A customer's profile takes {new_bytes(engine):,} bytes at first and {full_bytes(engine):,} at most "
        f"({_plural(features, 'feature')}, shared by the segments; the last 256 message ids; "
        f"texts taken as {TEXT_CHARS} characters; traits come on top)."
    )
