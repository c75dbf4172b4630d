"""How many distinct values: exact up to 256, then an estimate that keeps no more than that.

The estimate is that of the k minimum values: with k = 256 hashes spread evenly over [0, 1), the k-th smallest lies at
about k / n, and (k - 1) / it is an unbiased estimate of n with a relative error of about 1 / sqrt(k - 2), 6 %.
Source: Bar-Yossef et al., Counting Distinct Elements in a Data Stream (2002); Beyer et al. (2007).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final

KEPT: Final = 256
_SPAN: Final = 1 << 63

DistinctState = list[Any]
"""[whether it is an estimate, the kept hashes ascending]."""


def empty() -> DistinctState:
    """Return the state of no value."""
    return [False, []]


def add(state: DistinctState, value_hash: int) -> bool:
    """Count a value by its 63-bit hash; return whether this made the count an estimate."""
    hashes = state[1]
    index = bisect_left(hashes, value_hash)
    if index < len(hashes) and hashes[index] == value_hash:
        return False
    hashes.insert(index, value_hash)
    if len(hashes) <= KEPT:
        return False
    hashes.pop()
    first = not state[0]
    state[0] = True
    return first


def count(state: DistinctState) -> int:
    """Return the number of distinct values, estimated above 256."""
    estimated, hashes = state
    if not estimated:
        return len(hashes)
    estimate: int = (KEPT - 1) * _SPAN // (hashes[-1] + 1)
    return max(KEPT + 1, estimate)
