"""`chance`: a fixed share of customers, the same ones every time."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from pydantic import Field

from rules.comparisons import Model, Number
from rules.conditions.base import Binder, Check, Condition, Customer, Leaf, Verdict
from rules.features import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence


class Share(Model):
    """Which draw, and how large a share."""

    salt: str = Field(description="a name for the draw; another salt draws other customers")
    lt: Number = Field(description="the share of customers, from 0 to 1", ge=0, le=1)


class Chance(Condition):
    """The first 8 bytes of SHA-256(salt, 0x00, customer id), over 2^64, are below the share."""

    chance: Share

    def warnings(self) -> Sequence[tuple[str, str]]:
        """Warn of a share that is nobody or everybody."""
        if self.chance.lt in (0, 1):
            return [("chance.lt", f"{self.chance.lt} {'always' if self.chance.lt else 'never'} holds")]
        return []

    def compile(self, binder: Binder, path: str) -> Check:
        """Return the check of the draw."""
        binder.read_id()
        return ChanceCheck(f"{path}.chance", self.chance)


def draw(salt: str, customer: str) -> int:
    """Return the customer's draw, from 0 to 2^64 - 1."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{customer}".encode()).digest()[:8], "big")


class ChanceCheck(Leaf):
    """The check of one draw."""

    __slots__ = ("salt", "threshold")

    def __init__(self, path: str, share: Share) -> None:
        """Keep the share exactly, so that no draw is rounded over it."""
        super().__init__(path, f"lt {share.lt}")
        self.salt = share.salt
        self.threshold = ceil(Fraction(share.lt) * (1 << 64))  # a whole draw is below both, or neither

    def evaluate(self, customer: Customer, t: int) -> Verdict:
        """Return whether the draw is below the share; it never turns."""
        del t
        return draw(self.salt, customer.customer) < self.threshold, NEVER

    def describe(self, customer: Customer, t: int) -> tuple[Any, str]:
        """Return the draw, from 0 to 1."""
        del t
        drawn = round(draw(self.salt, customer.customer) / (1 << 64), 6)
        return drawn, f"chance {self.salt} {self.wanted} ({drawn})"
