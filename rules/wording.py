"""How values and unknown words are put to a person who reads an error."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_SHOWN: Final = 60
LONGEST_QUOTED: Final = 200

SPOKEN: Final = {
    "=": "eq", "==": "eq", "equals": "eq", "equal": "eq", "!=": "ne", "not_equals": "ne", ">": "gt", "greater": "gt",
    "greater_than": "gt", "above": "gt", "more_than": "gt", ">=": "gte", "ge": "gte", "min": "gte", "minimum": "gte",
    "at_least": "gte", "<": "lt", "less": "lt", "less_than": "lt", "below": "lt", "<=": "lte", "le": "lte",
    "max": "lte", "maximum": "lte", "at_most": "lte", "range": "between", "one_of": "in", "any_of": "in",
    "none_of": "not_in", "includes": "contains", "begins_with": "starts_with", "regex": "matches",
    "pattern": "matches", "present": "exists", "events": "event", "count": "times", "filter": "where",
    "filters": "where", "properties": "where", "window": "within", "period": "within", "last": "within",
    "field": "of", "property": "of", "path": "of", "aggregate": "agg", "function": "agg", "delay": "wait",
    "except": "but", "unless": "but", "id": "key", "title": "name", "label": "name", "condition": "when",
    "conditions": "when", "rule": "when", "if": "when", "exit": "until", "default": "otherwise", "else": "otherwise",
    "for": "at_least", "segment": "key", "probability": "lt", "share": "lt", "and": "all", "or": "any", "none": "not",
    "event": "did", "sum": "total", "funnel": "sequence", "traits": "trait", "random": "chance", "ab_test": "chance",
}  # fmt: skip
"""What people write for a word that is known, where the spelling is not near enough to guess it."""


def shown(value: Any) -> str:
    """Return a value as a definition has it, in one short line."""
    if isinstance(value, str) and "'" not in value and value.isprintable():
        text = f"'{value}'"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def short(value: Any) -> Any:
    """Return a customer's value as a change quotes it: one that is long as the beginning of its text.

    A trait may have 32 KiB, and each condition on it quotes it: without a bound, two dozen of them would make a change
    that no broker takes.
    """
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value
    if not isinstance(text, str) or len(text) <= LONGEST_QUOTED:
        return value
    return f"{text[: LONGEST_QUOTED - 1]}…"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return which known word was probably meant, None where that is a wild guess."""
    spoken = SPOKEN.get(word.lower().replace("-", "_").replace(" ", "_"))
    if spoken in known:
        return spoken
    cutoff = 0.6 if len(word) <= 4 else 0.7  # noqa: PLR2004 - of three letters, one wrong is a third
    return next(iter(difflib.get_close_matches(word.lower(), known, n=1, cutoff=cutoff)), None)
