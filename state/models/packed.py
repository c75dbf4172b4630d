"""Numbers as text, exact and short: base64 of their little-endian bytes, for the JSON of snapshots."""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from rules.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterable

FLOATS: Final = "d"
WHOLES: Final = "I"


def pack_floats(numbers: Iterable[float]) -> str:
    """Return 10.7 characters a number; `unpack_floats` gives the very same numbers back."""
    return _text(array(FLOATS, numbers))


def pack_wholes(numbers: Iterable[int]) -> str:
    """Return 5.3 characters a number between 0 and 2³² - 1."""
    return _text(array(WHOLES, numbers))


def unpack_floats(text: str) -> list[float]:
    """Return the numbers; raises StateError for what is no such text."""
    numbers: array[float] = array(FLOATS)
    _fill(numbers, text)
    return numbers.tolist()


def unpack_wholes(text: str) -> list[int]:
    """Return the numbers; raises StateError for what is no such text."""
    numbers: array[int] = array(WHOLES)
    _fill(numbers, text)
    return numbers.tolist()


def _text(numbers: array[Any]) -> str:
    if sys.byteorder == "big":
        numbers.byteswap()
    return b64encode(numbers.tobytes()).decode()


def _fill(numbers: array[Any], text: str) -> None:
    try:
        numbers.frombytes(b64decode(text, validate=True))
    except (ValueError, TypeError) as error:
        message = f"packed numbers cannot be read: {error}; the snapshot is damaged, let the model learn anew"
        raise StateError(message) from error
    if sys.byteorder == "big":
        numbers.byteswap()
