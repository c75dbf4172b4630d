"""Making a failing case small: parts are left out one by one, as long as it still fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.oracle import Record
    from tests.strategies.cases import Case

Fails = Callable[["Case"], bool]


def minimize(case: Case, fails: Fails) -> Case:
    """Return the least case found that still fails.

    `fails` tells whether a case fails in the way that is looked for; where it raises, the case is none (a tree with
    parts left out need not be valid).
    """
    smaller: Case | None = case
    while smaller is not None:
        case = smaller
        smaller = next((one for one in _smaller(case) if _does(fails, one)), None)
    return case


def _does(fails: Fails, case: Case) -> bool:
    try:
        return fails(case)
    except Exception:  # noqa: BLE001 - whatever an invalid tree raises, it is not the failure looked for
        return False


def _smaller(case: Case) -> Iterator[Case]:
    """Yield cases with one part less: many records, a part of the definitions, a record, a part of a record."""
    records = list(case.records)
    size = len(records) // 2
    while size:
        for start in range(0, len(records), size):
            yield replace(case, records=records[:start] + records[start + size :])
        size //= 2
    for tree in reductions(case.definitions):
        yield replace(case, definitions=tree)
    for place, record in enumerate(records):
        for one in _smaller_records(record):
            yield replace(case, records=[*records[:place], one, *records[place + 1 :]])
    if case.until_ms is not None:
        yield replace(case, until_ms=None)


def _smaller_records(record: Record) -> Iterator[Record]:
    try:
        event = json.loads(record.value)
    except ValueError:
        return
    for one in reductions(event):
        yield replace(record, value=json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode())


def reductions(tree: Any) -> Iterator[Any]:
    """Yield trees with one member, one element, or one layer of `all`, `any`, `not` less; big parts first."""
    if isinstance(tree, dict):
        for layer in ("all", "any", "not"):
            child = tree.get(layer, [])
            yield from child if isinstance(child, list) else [child]
        for key in tree:
            yield {other: value for other, value in tree.items() if other != key}
        for key, child in tree.items():
            for one in reductions(child):
                yield {**tree, key: one}
    elif isinstance(tree, list):
        for place in range(len(tree)):
            yield tree[:place] + tree[place + 1 :]
        for place, child in enumerate(tree):
            for one in reductions(child):
                yield [*tree[:place], one, *tree[place + 1 :]]
