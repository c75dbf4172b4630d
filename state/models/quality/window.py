"""The newest rows of numbers, for measures that are to be exact."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT: Final = 5_000
"""Rows: the newest labels that quality is measured over."""


class Window:
    """The last `kept` rows of `width` numbers."""

    def __init__(self, width: int, kept: int = KEPT) -> None:
        """Begin empty."""
        self._width = width
        self._kept = kept
        self._numbers = array("d")
        self._next = 0
        """The row to be written over once all are in use."""

    def __len__(self) -> int:
        return len(self._numbers) // self._width

    def add(self, *row: float) -> None:
        """Add a row of `width` numbers, in place of the oldest if need be."""
        if len(self) < self._kept:
            self._numbers.extend(row)
            return
        start = self._next * self._width
        self._numbers[start : start + self._width] = array("d", row)
        self._next = (self._next + 1) % self._kept

    def columns(self) -> NDArray[np.float64]:
        """Return an array with one line a column, the oldest row's numbers first."""
        rows = np.array(self._numbers, dtype=np.float64).reshape(-1, self._width)
        return np.roll(rows, -self._next, axis=0).T

    def clear(self) -> None:
        """Forget all rows."""
        del self._numbers[:]
        self._next = 0

    def state(self) -> str:
        """Return the rows as base64 of little-endian float64, row by row, the oldest first."""
        return b64encode(np.ascontiguousarray(self.columns().T, dtype="<f8").tobytes()).decode()

    def restore(self, state: Any) -> None:
        """Take over a state."""
        self._numbers = array("d", np.frombuffer(b64decode(state), dtype="<f8").tolist())
        self._next = 0
