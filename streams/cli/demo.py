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
from streams.cli.frame import WIDTH, run, say
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
    from streams.demo.live import LiveScreen
    from streams.replay.outcome import Outcome
    from streams.settings import Settings

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the picture and the events go.")]
RulesOption = Annotated[
    Path | None, typer.Option("--rules", metavar="PATH", help="Definitions; the demo's own by default.")
]
DataOption = Annotated[
    Path, typer.Option("--data", metavar="FILE", help="The CDNOW purchases, where they are not here.")
]
ModelsOption = Annotated[
    bool, typer.Option("--models", help="Online models in place of segments: who will buy again, spend, is alike.")
]

_HELLO: Final = """\
The music shop CDNOW, January 1997 to June 1998: every purchase of the 23,570 customers who came in its first quarter,
as events through an embedded broker, a worker and a store. Week by week:
"""
_HELLO_MODELS: Final = """\
The music shop CDNOW, January 1997 to June 1998: every purchase of the 23,570 customers who came in its first quarter,
as events through an embedded broker, a worker and a store. Models learn from them as they come, with every answer
90 days after its question: who will buy again, what they will spend, who is alike. Week by week:
"""
_SNAPSHOT_EVERY: Final = 2_000
_SOURCE: Final = "CDNOW purchases, January 1997 to June 1998 (Fader and Hardie, by way of btyd). Drawn by segue demo."


def demo(
    out: OutOption = Path("segue-demo"),
    rules: RulesOption = None,
    data: DataOption = cdnow.DATA,
    *,
    models: ModelsOption = False,
) -> None:
    """Replay eighteen months of a real shop, and watch its customers cross segments.

    69,659 purchases of 23,570 customers go through an embedded broker, a worker and a store, just as live events
    would, on their own clock. It ends with the segments as a table and over time, in the terminal and as a picture.

    With `--models` three models learn from the purchases meanwhile. It ends with how good they became, who of the
    valuable customers is about to be lost and why, and kinds of customers that a model found by itself.
    """
    need_charts()
    events = _write_events(data, out)
    if models:
        _show_models(events, rules, data, out)
    else:
        _show_segments(events, rules or cdnow.RULES, out)


def _show_segments(events: Path, rules: Path, out: Path) -> None:
    ruleset = load_ruleset(rules)
    story, console = Story(ruleset), _console()
    say(_HELLO)
    settings = settings_of()
    plan = Plan(ruleset, settings.app_id, settings.max_late, step_ms=UNITS_MS["w"])
    outcome = _replay(plan, DemoScreen(story, console, cdnow.CUSTOMERS), settings, events)
    _finish(story, outcome, console, out)
    say(next_steps(out, events, rules))


def _show_models(events: Path, rules: Path | None, data: Path, out: Path) -> None:
    from streams.cli import demo_models  # noqa: PLC0415 - the demo of segments needs no models

    ruleset = load_ruleset(rules or demo_models.RULES)
    shown = demo_models.Shown(ruleset, _console())
    say(_HELLO_MODELS)
    settings = settings_of()
    # a version is wanted once a week; each of them costs as much as 500 samples do
    plan = Plan(ruleset, settings.app_id, settings.max_late, step_ms=UNITS_MS["w"], snapshot_every=_SNAPSHOT_EVERY)
    outcome = _replay(plan, shown.screen, settings, events)
    shown.finish(outcome, cdnow.purchases(data), out, _SOURCE)
    say(demo_models.next_steps(out, events, rules or demo_models.RULES))


def _replay(plan: Plan, screen: LiveScreen, settings: Settings, events: Path) -> Outcome:
    with screen:
        return run(replay_embedded(plan, screen, settings, events))


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
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
    width = min(console.width, WIDTH)
    for group in story.groups[:1]:
        say(f"{group.title}, customers week by week")
        say(terminal_chart(story, group, width, colour=console.is_terminal and not console.no_color))
    picture = out / "segments.png"
    write_png(story, picture, _SOURCE)
    say(
        f"{outcome.applied:,} purchases, {sum(outcome.changes.values()):,} changes of {outcome.customers:,} customers, "
        f"each with its reason, in {outcome.seconds:.0f} seconds; the picture is {picture}.\n"
    )
