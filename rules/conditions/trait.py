"""`trait`: what is known of the customer, as `identify` events wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from rules.checks.trait import TraitCheck, TraitPath
from rules.comparisons import TraitComparison, describe, describe_words, operators
from rules.conditions.base import Binder, Condition, Path
from rules.matching import values_test
from rules.paths import parse_path

if TYPE_CHECKING:
    from rules.checks.base import Check

_RELATIVE = ("within_last", "older_than")


class Trait(Condition):
    """Every named trait meets its comparison."""

    trait: Annotated[dict[Path, TraitComparison], Field(min_length=1)]

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of each path."""
        binder.read_traits({parse_path(name)[0] for name in self.trait})
        return TraitCheck([_trait_path(f"{path}.trait.{name}", name, ops) for name, ops in self._operators()])

    def _operators(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, operators(comparison)) for name, comparison in self.trait.items()]


def _trait_path(path: str, name: str, ops: dict[str, Any]) -> TraitPath:
    """Part the relative dates from what stays put."""
    fixed = {operator: operand for operator, operand in ops.items() if operator not in _RELATIVE}
    test = values_test(fixed) if fixed else None
    relative = [(operator, ops[operator]) for operator in _RELATIVE if operator in ops]
    return TraitPath(path, describe(ops), parse_path(name), test, relative, f"trait {name} {describe_words(ops)}")
