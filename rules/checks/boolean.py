"""`all`, `any`, `not`: boolean algebra over conditions."""

from __future__ import annotations

from typing import Any

from rules.checks.base import Check, Customer, Verdict
from rules.features import NEVER


class Parts(Check):
    """What several parts decide together."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Check]) -> None:
        """Keep the parts in the definition's order."""
        self.parts = parts

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return the parts whose truth is the whole's: of a true conjunction or a false disjunction, each one."""
        holds = self.evaluate(customer, t)[0]
        because: list[dict[str, Any]] = []
        for part in self.parts:
            if part.evaluate(customer, t)[0] == holds:
                because += part.explain(customer, t)
        return because


class AllCheck(Parts):
    """A conjunction. While false, it stays so at least until the last of its false parts could turn."""

    __slots__ = ()

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return (holds, until): the earliest of true parts, or the latest of false ones."""
        earliest, latest = NEVER, 0
        holds = True
        for part in self.parts:
            part_holds, until = part.evaluate(customer, t)
            if part_holds:
                if until < earliest:  # noqa: PLR1730 - min() costs as much as the rest of this loop
                    earliest = until
            else:
                if until >= NEVER:
                    return False, NEVER
                if holds or until > latest:
                    latest = until
                holds = False
        return (True, earliest) if holds else (False, latest)


class AnyCheck(Parts):
    """A disjunction. While true, it stays so at least until the last of its true parts could turn."""

    __slots__ = ()

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return (holds, until): the latest of true parts, or the earliest of false ones."""
        earliest, latest = NEVER, 0
        holds = False
        for part in self.parts:
            part_holds, until = part.evaluate(customer, t)
            if part_holds:
                if until >= NEVER:
                    return True, NEVER
                if not holds or until > latest:
                    latest = until
                holds = True
            elif until < earliest:
                earliest = until
        return (True, latest) if holds else (False, earliest)


class NotCheck(Check):
    """A negation: it turns when its part does."""

    __slots__ = ("part",)

    def __init__(self, part: Check) -> None:
        """Keep the part."""
        self.part = part

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the opposite truth, until the same instant."""
        holds, until = self.part.evaluate(customer, t)
        return not holds, until

    def explain(self, customer: Customer, t: int) -> list[dict[str, Any]]:
        """Return what decides the part."""
        return self.part.explain(customer, t)
