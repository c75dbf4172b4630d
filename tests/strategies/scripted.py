"""Scorers that learn nothing: what they say is drawn from what they are given, so that it crosses bounds often."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBERS: Final = (0.5, 0.25, 0.75, 0.0, 1.0)
CLUSTERS: Final = ("c1", "c2", "c3")
STAYS: Final = 8
"""Of so many outcomes one is to say what was said before."""


@dataclass
class Scripted:
    """A pure function of the features, rounded, and of what was last said; versions say different things."""

    version: int
    says: Sequence[float | str]
    titles: Mapping[str, str] = field(default_factory=dict)

    def score(self, x: Sequence[float], before: float | str | None) -> float | str:
        """Return one of what it says."""
        drawn = zlib.crc32(repr((self.version, [round(one, 6) + 0.0 for one in x])).encode())
        if before is not None and drawn % STAYS == 0:
            return before
        return self.says[drawn // STAYS % len(self.says)]
