"""`segue demo`: real customers cross real segments."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from rules.durations import UNITS_MS
from rules.errors import ReplayError
from rules.load import load_ruleset
from streams.cli.frame import run, say
from streams.cli.options import settings_of
from streams.demo import cdnow
from streams.demo.charts import terminal_chart, write_png
from streams.demo.ending import next_steps, segment_table
from streams.demo.screen import DemoScreen
from streams.demo.story import Story
from streams.drawing import need_charts
from streams.replay.plan import Plan
from streams.replay.through import replay_embedded

if TYPE_CHECKING:
    from streams.replay.outcome import Outcome

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the picture and the events go.")]
RulesOption = Annotated[Path, typer.Option("--rules", metavar="PATH", help="Definitions; the demo's own by default.")]
DataOption = Annotated[
    Path, typer.Option("--data", metavar="FILE", help="The CDNOW purchases, where they are not here.")
]

_HELLO: Final = """\
The music shop CDNOW, January 1997 to June 1998: every purchase of the 23,570 customers who came in its first quarter,
as events through an embedded broker, a worker and a store. Week by week:
"""
_SOURCE: Final = "CDNOW purchases, January 1997 to June 1998 (Fader and Hardie, by way of btyd). Drawn by segue demo."
_WIDTH: Final = 100
"""Columns where no terminal says how many; on a terminal, the most that the chart takes."""


def demo(
    *,
    out: OutOption = Path("segue-demo"),
    rules: RulesOption = cdnow.RULES,
    data: DataOption = cdnow.DATA,
) -> None:
    """Replay eighteen months of a real shop, and watch its customers cross segments.

    69,659 purchases of 23,570 customers go through an embedded broker, a worker and a store, just as live events
    would, on their own clock. It ends with the segments as a table and over time, in the terminal and as a picture.
    """
    need_charts()
    events = _write_events(data, out)
    ruleset = load_ruleset(rules)
    settings = settings_of()
    plan = Plan(ruleset, settings.app_id, settings.max_late, step_ms=UNITS_MS["w"])
    story, console = Story(ruleset), _console()
    say(_HELLO)
    with DemoScreen(story, console, cdnow.CUSTOMERS) as screen:
        outcome = run(replay_embedded(plan, screen, settings, events))
    _finish(story, outcome, console, out)
    say(next_steps(out, events, rules))


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    return console


def _write_events(data: Path, out: Path) -> Path:
    """Write the purchases as events, one a line, and return the file."""
    events = out / "events.jsonl.gz"
    lines = cdnow.event_lines(data)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with gzip.open(events, "wb", compresslevel=5) as file:
            file.writelines(lines)
    except OSError as error:
        message = f"{error.filename or events}: cannot be written: {error.strerror}; choose another folder with --out"
        raise ReplayError(message) from error
    return events


def _finish(story: Story, outcome: Outcome, console: Console, out: Path) -> None:
    console.print()
    console.print(segment_table(story, outcome))
    width = min(console.width, _WIDTH)
    for group in story.groups[:1]:
        say(f"{group.title}, customers week by week")
        say(terminal_chart(story, group, width, colour=console.is_terminal and not console.no_color))
    picture = out / "segments.png"
    write_png(story, picture, _SOURCE)
    say(
        f"{outcome.applied:,} purchases, {sum(outcome.changes.values()):,} changes of {outcome.customers:,} customers, "
        f"each with its reason, in {outcome.seconds:.0f} seconds; the picture is {picture}.\n"
    )
