"""`segue demo --models`: what it shows while the models learn, and at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.cli.frame import WIDTH, say
from streams.demo.learning import RULES, LearningStory
from streams.demo.learning_ending import lost_lines, next_steps, persona_table
from streams.demo.learning_picture import write_png
from streams.demo.learning_screen import LearningScreen
from streams.insight.calibration import calibration_chart
from streams.insight.overview import overview, remarks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from rules.ruleset import Ruleset
    from streams.demo.cdnow import Purchase
    from streams.replay.outcome import Outcome

__all__ = ["RULES", "Shown", "next_steps"]


class Shown:
    """The demo on a console."""

    def __init__(self, ruleset: Ruleset, console: Console) -> None:
        """Begin before the first event."""
        self._story = LearningStory(ruleset)
        self._console = console
        self.screen = LearningScreen(self._story, console)

    def finish(self, outcome: Outcome, purchases: Sequence[Purchase], out: Path, source: str) -> None:
        """Show what was learned, and draw it."""
        self._show_quality()
        self._show_lost(purchases)
        self._show_personas()
        self._story.write(out / "models.jsonl")
        picture = out / "models.png"
        write_png(self._story, picture, source)
        samples = sum(entry.snapshot.samples for entry in self._story.entries if entry.snapshot is not None)
        say(
            f"{outcome.applied:,} purchases, {samples:,} samples learned, {sum(outcome.changes.values()):,} changes of "
            f"{outcome.customers:,} customers in {outcome.seconds:.0f} seconds; the picture is {picture}.\n"
        )

    def _show_quality(self) -> None:
        console, story = self._console, self._story
        say("\nHow good they became: the newest 5,000 labels, each met by the score that was given 90 days before")
        console.print(overview(story.entries))
        for remark in remarks(story.book):
            say(remark)
        colour = console.is_terminal and not console.no_color
        for entry in story.entries:
            chart = calibration_chart(entry, min(console.width, WIDTH), colour=colour)
            if chart:
                say(f"\n{entry.title}: what the model said (across), and what share of that came true (up)")
                say(chart)

    def _show_lost(self, purchases: Sequence[Purchase]) -> None:
        lost = self._story.lost(purchases)
        say(f"{self._story.title}: {len(lost):,} customers now; those who brought most")
        for line in lost_lines(lost):
            say(line)
        say()

    def _show_personas(self) -> None:
        sizes = self._story.personas()
        for entry in self._story.entries:
            if entry.kind == "clusters" and entry.frozen is not None:
                say(f"{entry.title}: kinds of customers that nobody described beforehand")
                self._console.print(persona_table(entry, sizes))
                say("(Of who is silent for a year no sample is taken any more: their persona stays the last one.)\n")
