"""Features as numbers of one size: their distance from the mean in standard deviations, between -8 and 8."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CLIP: Final = 8.0


class Scale:
    """Means and standard deviations, one of each a feature, that stay as they are.

    A feature that never varied (`sd` 0) and a value that is no number are 0 when scaled, so that they tell nothing; an
    infinite value is the bound of its sign. What comes out is always a finite number.
    """

    __slots__ = ("_pairs", "mean", "sd")

    def __init__(self, mean: Iterable[float], sd: Iterable[float]) -> None:
        """Both have one entry a feature, in the order of the vector."""
        self.mean = tuple(mean)
        self.sd = tuple(sd)
        usable = [math.isfinite(m) and math.isfinite(s) and s > 0 for m, s in zip(self.mean, self.sd, strict=True)]
        self._pairs = tuple(
            (m, s) if good else (0.0, math.inf) for good, m, s in zip(usable, self.mean, self.sd, strict=True)
        )

    def scaled(self, x: Sequence[float]) -> tuple[float, ...]:
        """Return (x - mean) / sd of each feature, clipped to ±8."""
        return tuple([clipped((v - m) / s) for v, (m, s) in zip(x, self._pairs, strict=True)])

    def natural(self, z: Sequence[float]) -> tuple[float, ...]:
        """Return what a scaled vector stands for in the features' own units."""
        return tuple(v * s + m for v, m, s in zip(z, self.mean, self.sd, strict=True))


def clipped(z: float) -> float:
    """Return the number between -8 and 8 that is nearest; 0 for what is none."""
    if -CLIP <= z <= CLIP:
        return z
    if z != z:  # noqa: PLR0124 - the quickest test for NaN
        return 0.0
    return CLIP if z > 0 else -CLIP
