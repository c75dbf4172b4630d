"""`all`, `any`, `not`: boolean algebra over conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from rules.conditions.base import Binder, Check, Condition, Customer, Verdict
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.conditions import AnyCondition


class AllOf(Condition):
    """True while every part is; `all: []` is true."""

    all: list[AnyCondition] = Field(description="conditions that must all hold")

    def parts(self) -> Sequence[tuple[str, Condition]]:
        """Return the conditions inside."""
        return [(f"all[{index}]", part) for index, part in enumerate(self.all)]

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of an empty list."""
        return [] if self.all else [("all", "always holds: the list is empty")]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the conjunction of the parts' checks."""
        return AllCheck([part.compile(binder, f"{path}.{name}") for name, part in self.parts()])


class AnyOf(Condition):
    """True while at least one part is; `any: []` is false."""

    any: list[AnyCondition] = Field(description="conditions of which one must hold")

    def parts(self) -> Sequence[tuple[str, Condition]]:
        """Return the conditions inside."""
        return [(f"any[{index}]", part) for index, part in enumerate(self.any)]

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of an empty list."""
        return [] if self.any else [("any", "never holds: the list is empty")]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the disjunction of the parts' checks."""
        return AnyCheck([part.compile(binder, f"{path}.{name}") for name, part in self.parts()])


class Not(Condition):
    """True while its part is not."""

    not_: AnyCondition = Field(alias="not", description="a condition that must not hold")

    def parts(self) -> Sequence[tuple[str, Condition]]:
        """Return the condition inside."""
        return [("not", self.not_)]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the negation of the part's check."""
        return NotCheck(self.not_.compile(binder, f"{path}.not"))


class AllCheck:
    """A conjunction. While false, it stays so at least until the last of its false parts could turn."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Check]) -> None:
        """Keep the parts in the definition's order."""
        self.parts = parts

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

    def explain(self, customer: Customer, t: int) -> Iterator[dict[str, Any]]:
        """Yield every part of a true conjunction, the false parts of a false one."""
        holds = self.evaluate(customer, t)[0]
        for part in self.parts:
            if part.evaluate(customer, t)[0] is holds:
                yield from part.explain(customer, t)


class AnyCheck:
    """A disjunction. While true, it stays so at least until the last of its true parts could turn."""

    __slots__ = ("parts",)

    def __init__(self, parts: list[Check]) -> None:
        """Keep the parts in the definition's order."""
        self.parts = parts

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

    def explain(self, customer: Customer, t: int) -> Iterator[dict[str, Any]]:
        """Yield the true parts of a true disjunction, every part of a false one."""
        holds = self.evaluate(customer, t)[0]
        for part in self.parts:
            if part.evaluate(customer, t)[0] is holds:
                yield from part.explain(customer, t)


class NotCheck:
    """A negation: it turns when its part does."""

    __slots__ = ("part",)

    def __init__(self, part: Check) -> None:
        """Keep the part."""
        self.part = part

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return the opposite truth, until the same instant."""
        holds, until = self.part.evaluate(customer, t)
        return not holds, until

    def explain(self, customer: Customer, t: int) -> Iterator[dict[str, Any]]:
        """Yield what decides the part."""
        return self.part.explain(customer, t)
