"""`chance`: a fixed share of customers, the same ones every time."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from pydantic import Field

from rules.checks.chance import ChanceCheck
from rules.comparisons import Model, Number
from rules.conditions.base import Binder, Condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rules.checks.base import Check


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
        threshold = ceil(Fraction(self.chance.lt) * (1 << 64))  # a whole draw is below both, or neither
        return ChanceCheck(f"{path}.chance", f"lt {self.chance.lt}", self.chance.salt, threshold)
