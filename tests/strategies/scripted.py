"""Scorers that learn nothing: what they say is drawn from what they are given, so that it crosses bounds often."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBERS: Final = (0.5, 0.25, 0.75, 0.0, 1.0)
CLUSTERS: Final = ("c1", "c2", "c3")


@dataclass
class Scripted:
    """A pure function of the features, rounded, and of what was last said; versions say different things."""

    version: int
    says: Sequence[float | str]
    stays_percent: int = 12
    """In so many cases of a hundred it says what it said before."""
    titles: Mapping[str, str] = field(default_factory=dict)

    def score(self, x: Sequence[float], before: float | str | None) -> float | str:
        """Return one of what it says."""
        drawn = zlib.crc32(repr((self.version, [round(one, 6) + 0.0 for one in x])).encode())
        if before is not None and drawn % 100 < self.stays_percent:
            return before
        return self.says[drawn // 100 % len(self.says)]
