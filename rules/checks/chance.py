"""`chance`: a fixed share of customers, the same ones every time."""

from __future__ import annotations

import hashlib
from typing import Any

from rules.checks.base import Customer, Leaf, Verdict
from rules.features import NEVER


def draw(salt: str, customer: str) -> int:
    """Return the customer's draw, from 0 to 2^64 - 1."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{customer}".encode()).digest()[:8], "big")


class ChanceCheck(Leaf):
    """The check of one draw."""

    __slots__ = ("salt", "threshold")

    def __init__(self, path: str, wanted: str, salt: str, threshold: int) -> None:
        """Keep the share exactly, so that no draw is rounded over it."""
        super().__init__(path, wanted)
        self.salt = salt
        self.threshold = threshold

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the draw is below the share; it never turns."""
        del t
        return draw(self.salt, customer.customer) < self.threshold, NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the draw, from 0 to 1."""
        del t
        drawn = round(draw(self.salt, customer.customer) / (1 << 64), 6)
        return drawn, f"chance {self.salt} {self.wanted} ({drawn})"
