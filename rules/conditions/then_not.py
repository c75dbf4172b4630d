"""`then_not`: an event happened, and another did not follow it within a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rules.checks.then_not import ThenNotCheck
from rules.comparisons import Duration
from rules.conditions.base import Binder, Condition, EventMatch
from rules.durations import format_duration
from rules.features import Newest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check


class ThenNotEvents(EventMatch):
    """Which event, which other one did not follow, how long to wait, and how long to stay."""

    but: EventMatch = Field(description="the event that must not have followed")
    wait: Duration = Field(description="true from exactly so long after the event")
    within: Duration | None = Field(default=None, description="false again from exactly so long after the event")


class ThenNot(Condition):
    """The newest event happened at e, t >= e + wait, no `but` event has a time in (e, t]; t < e + within."""

    then_not: ThenNotEvents

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn where it is over before it begins."""
        spec = self.then_not
        if spec.within is not None and spec.within <= spec.wait:
            text = f"never holds: {format_duration(spec.within)} is not longer than wait {format_duration(spec.wait)}"
            return [("then_not.within", text)]
        return []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of both newest times."""
        spec = self.then_not
        slot, _ = binder.slot(Newest(spec.selector()))
        but_slot, _ = binder.slot(Newest(spec.but.selector()))
        wanted = f"no {spec.but.words()} for {format_duration(spec.wait)}"
        text = f"{spec.words()}, then {wanted}"
        return ThenNotCheck(f"{path}.then_not", wanted, slot, but_slot, spec.wait, spec.within, text)
