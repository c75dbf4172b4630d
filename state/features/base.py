"""What every feature is: a definition without state, and functions over a small state of plain lists and numbers.

A state is None until the first matching event; it holds only what msgpack can, so that a snapshot is the state.
Features forget only what no evaluation at or after `now` (the customer's clock) can ask for.

Of an event's time they keep the object that is its `boxed_ts`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.checks.base import Feature

Caps = Counter[str]
"""How often each documented bound was reached, by its name."""


class Counted:
    """A feature as the events of one name count it. Sets of units are bit masks."""

    __slots__ = ("begins", "feature", "full_readers", "keep", "matches", "readers", "slot", "within_ms")

    def __init__(self, slot: int, feature: Feature, readers: int, full_readers: int) -> None:
        """Keep the slot of its state, the units that read it, and those that ask only whether it keeps all it may."""
        self.slot = slot
        self.feature = feature
        self.readers = readers
        self.full_readers = full_readers
        self.within_ms = 0
        self.keep = 0
        """Of times: the window, and how many are kept at most."""
        self.begins = False
        """Of sequences: whether such an event can be the first step."""
        self.matches: Callable[[dict[str, Any]], bool] | None = None
        """Of conditional ones: what the event's body must be."""


_SMALL: Final = 1 << 60


def pack_int(number: int) -> int | str:
    """Return an integer as msgpack can hold it: beyond 64 bits, its decimal digits."""
    if -_SMALL < number < _SMALL:  # as nearly all are; compiled, this costs a tenth of what is asked below
        return number
    return number if -(1 << 63) <= number < (1 << 63) else str(number)


def unpack_int(packed: int | str) -> int:
    """Return the integer that `pack_int` made this of."""
    return packed if isinstance(packed, int) else int(packed)
