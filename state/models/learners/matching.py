"""Which of a refit's clusters is which of the old ones."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linear_sum_assignment  # type: ignore[attr-defined]  # exported, and not marked so

if TYPE_CHECKING:
    from collections.abc import Sequence

    Point = Sequence[float]


def match(old: Sequence[Point], new: Sequence[Point]) -> dict[int, int]:
    """Return new's place -> old's place of the pairs that are one cluster; both are in one scale.

    The pairs are those with the least sum of distances (the Hungarian method; Kuhn 1955), where no pair is further
    apart than half the distance between the two nearest old centres. A distance beyond that counts as just that: a
    cluster that is far from everything must not take a near pair apart.
    """
    if not old or not new:
        return {}
    limit = min((math.dist(a, b) for a, b in combinations(old, 2)), default=0.0) / 2
    distances = np.array([[math.dist(a, b) for b in old] for a in new])
    rows, columns = linear_sum_assignment(np.minimum(distances, limit))
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: column for row, column in pairs if distances[row, column] <= limit}
