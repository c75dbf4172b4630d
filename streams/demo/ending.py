"""How the demo ends: a table of the segments, and what to do next."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich import box
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.demo.story import Story
    from streams.replay.outcome import Outcome

_SPARKS: Final = "▁▂▃▄▅▆▇█"
_SPARK_CELLS: Final = 26


def segment_table(story: Story, outcome: Outcome) -> Table:
    """Return the table: each segment's size at the end, its way there, and how often it was entered and left."""
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("segment")
    for name in ("customers", "share"):
        table.add_column(name, justify="right")
    table.add_column("week by week")
    for name in ("most", "entered", "left"):
        table.add_column(name, justify="right")
    for group in story.groups:
        table.add_section()
        table.add_row(Text(group.title, "bold"))
        for line in story.present(group):
            sizes = story.sizes_of(line.name)
            counts = (
                sizes[-1],
                max(sizes),
                outcome.changes[line.name, "entered"],
                outcome.changes[line.name, "exited"],
            )
            now, most, entered, left = (f"{count:,}" for count in counts)
            share = f"{sizes[-1] / max(outcome.customers, 1):.1%}"
            table.add_row(f"  {line.title}", now, share, sparkline(sizes), most, entered, left)
    return table


def sparkline(sizes: Sequence[int]) -> str:
    """Return a series as a row of blocks, its largest the full one."""
    cells = [sizes[index * len(sizes) // _SPARK_CELLS] for index in range(_SPARK_CELLS)]
    most = max(sizes)
    return "".join(" " if cell == 0 else _SPARKS[min(cell * len(_SPARKS) // most, len(_SPARKS) - 1)] for cell in cells)


def next_steps(folder: Path, events: Path, rules: Path) -> str:
    """Return what a person may want to do now."""
    segue = command()
    return f"""\
What next

  look at {folder / "segments.png"}
  {segue} replay --rules {short(rules)} --events {events} --changes {folder / "changes.jsonl"}
      # every single crossing with its reason, one JSON object a line, as it went to Kafka
  {segue} init segments && {segue} check segments
      # definitions to start from, one file for each kind of business; then replay your own events with them
  {segue} up --rules segments
      # the same live on this machine: a broker, a store and a worker; send events, and watch `{segue} tail`"""


def command() -> str:
    """Return how this program is called from here: `make demo` leaves it in .venv, which need not be on PATH."""
    return "segue" if shutil.which("segue") else str(short(Path(sys.argv[0]).absolute()))


def short(path: Path) -> Path:
    """Return a path as a person here would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
