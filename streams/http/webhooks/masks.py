"""How secrets of endpoints are kept out of what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "***"

_LEAST_MASKED = 4
"""Characters of a value that is masked where it comes back: of `1` or `on` nobody learns anything."""

_LEAST_WORD = 8


def masked(text: str, hidden: Sequence[str]) -> str:
    """Return a text in which these values, their longer words too (`Bearer …`), are masked, one cut off at its end too.

    A receiver may send back what it was sent.
    """
    words = [word for value in hidden for word in value.split() if len(word) >= _LEAST_WORD]
    for secret in sorted([*hidden, *words], key=len, reverse=True):
        if len(secret) >= _LEAST_MASKED:
            text = text.replace(secret, MASK)
            for size in range(min(len(secret), len(text)), _LEAST_MASKED - 1, -1):
                if text.endswith(secret[:size]):
                    text = text[:-size] + MASK
                    break
    return text
