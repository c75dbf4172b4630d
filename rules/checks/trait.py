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
            met, turns = _relative(operator, span_ms, values, t)
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


def _relative(operator: str, span_ms: int, values: tuple[Any, ...], t: int) -> Verdict:
    """Return whether any value is a date that meets a relative comparison at `t`, and when one could next turn."""
    met, until = False, NEVER
    for value in values:
        date = parse_date(value)
        if date is None:
            continue
        end = date + span_ms
        if operator == "within_last":
            met = met or date <= t < end
            if t < date < until:
                until = date
        else:
            met = met or end <= t
        if t < end < until:
            until = end
    return met, until


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
        met = [path.evaluate(customer, t)[0] for path in self.paths]
        holds = False not in met
        return [path.explain(customer, t) for path, one in zip(self.paths, met, strict=True) if one == holds]
