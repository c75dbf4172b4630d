"""`all`, `any`, `not`: boolean algebra over conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from rules.checks.boolean import AllCheck, AnyCheck, NotCheck
from rules.conditions.base import Binder, Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check
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
