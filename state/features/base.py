"""What every feature is: a definition without state, and functions over a small state of plain lists and numbers.

A state is None until the first matching event; it holds only what msgpack can, so that a snapshot is the state.
Features forget only what no evaluation at or after `now` (the customer's clock) can ask for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from state.event import Event

Caps = Counter[str]
"""How often each documented bound was reached, by its name."""


class StatefulFeature(Protocol):
    """A feature as the engine uses it."""

    def update(self, state: Any, event: Event, now: int) -> Any:
        """Return the state with a matching event counted; `now` (ms) is the instant it is evaluated at.

        The state given may be changed in place; the caller uses the returned one.
        """


def pack_int(number: int) -> int | str:
    """Return an integer as msgpack can hold it: beyond 64 bits, its decimal digits."""
    return number if -(1 << 63) <= number < (1 << 63) else str(number)
