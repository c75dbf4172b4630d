"""All conditions of a check, those included that do not decide its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.checks.boolean import AllCheck, AnyCheck, NotCheck
from rules.checks.trait import TraitCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.checks.base import Check, Customer


def leaves(check: Check, customer: Customer, t: int) -> Iterator[dict[str, Any]]:
    """Yield what each condition inside is at instant `t` (ms), in the definition's order, as in a change's `because`.

    `holds` is the condition's own truth, also inside `not`.
    """
    match check:
        case AllCheck() | AnyCheck():
            for part in check.parts:
                yield from leaves(part, customer, t)
        case NotCheck():
            yield from leaves(check.part, customer, t)
        case TraitCheck():
            for path in check.paths:
                yield path.explain(customer, t)
        case _:
            yield from check.explain(customer, t)
