"""`trait`: what is known of the customer, as `identify` events wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.checks.base import Check, Customer, Verdict
from rules.dates import parse_date
from rules.features import NEVER
from rules.paths import values_at
from rules.wording import short

if TYPE_CHECKING:
    from collections.abc import Callable


class TraitPath:
    """The comparisons of one path; relative dates turn by themselves, all else only with an event."""

    __slots__ = ("path", "relative", "steps", "test", "text", "wanted")

    def __init__(
        self,
        path: str,
        wanted: str,
        steps: tuple[str, ...],
        test: Callable[[tuple[Any, ...]], bool] | None,
        relative: list[tuple[str, int]],
        text: str,
    ) -> None:
        """Part the relative dates from what stays put."""
        self.path = path
        self.wanted = wanted
        self.steps = steps
        self.test = test
        self.relative = relative
        self.text = text

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the comparisons hold at `t`, and until when."""
        values = values_at(customer.traits, self.steps)
        holds = self.test is None or self.test(values)
        until = NEVER
        for operator, span_ms in self.relative:
            dates = [ms for ms in map(parse_date, values) if ms is not None]
            met, turns = _relative(operator, span_ms, dates, t)
            holds = holds and met
            until = min(until, turns)
        return holds, until

    def explain(self, customer: Customer, t: int) -> dict[str, Any]:
        """Return the entry of `because`; the value is the first one at the path, cut where it is long."""
        values = values_at(customer.traits, self.steps)
        value = short(values[0]) if values else None
        return {
            "path": self.path,
            "holds": self.evaluate(customer, t)[0],
            "value": value,
            "wanted": self.wanted,
            "text": f"{self.text} ({'absent' if value is None else value})",
        }


def _relative(operator: str, span_ms: int, dates: list[int], t: int) -> Verdict:
    """Return whether any date meets a relative comparison at `t`, and when one could next turn."""
    points = [
        point
        for date in dates
        for point in ((date, date + span_ms) if operator == "within_last" else (date + span_ms,))
    ]
    until = min((point for point in points if point > t), default=NEVER)
    if operator == "within_last":
        return any(date <= t < date + span_ms for date in dates), until
    return any(date + span_ms <= t for date in dates), until


class TraitCheck(Check):
    """The conjunction of the paths."""

    __slots__ = ("paths",)

    def __init__(self, paths: list[TraitPath]) -> None:
        """Keep the paths in the definition's order."""
        self.paths = paths

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether every path meets its comparisons, until the first of them could turn."""
        holds, until = True, NEVER
        for path in self.paths:
            met, turns = path.evaluate(customer, t)
            holds = holds and met
            until = min(until, turns)
        return holds, until

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return every path where all hold, else those that do not."""
        holds = self.evaluate(customer, t)[0]
        return [path.explain(customer, t) for path in self.paths if path.evaluate(customer, t)[0] == holds]
