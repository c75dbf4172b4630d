"""Measures of scores beside what came true, exact, over arrays of one length. None where a measure is not defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from state.models.linear import LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

TENTHS: Final = 10


def ranks(values: Numbers) -> Numbers:
    """Return the rank of each value from 1 on; values that are the same share the mean of their ranks."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: Numbers = (last - (counts - 1) / 2)[places]
    return shared


def roc_auc(y: Numbers, score: Numbers) -> float | None:
    """Return the probability that a 1 was scored above a 0, ties counting half (Mann and Whitney's U)."""
    ones = int(np.count_nonzero(y > 0))
    zeros = len(y) - ones
    if not ones or not zeros:
        return None
    over = float(np.sum(ranks(score)[y > 0])) - ones * (ones + 1) / 2
    return over / (ones * zeros)


def binned_auc(zeros: Numbers, ones: Numbers) -> float | None:
    """Return the ROC AUC of counts by ascending score; within a bin all are ties."""
    pairs = float(zeros.sum() * ones.sum())
    if not pairs:
        return None
    below = np.cumsum(zeros) - zeros
    return float(np.sum(ones * (below + zeros / 2))) / pairs


def log_losses(y: Numbers, score: Numbers) -> Numbers:
    """Return -ln of the probability given to what came true, one a row."""
    given = np.where(y > 0, score, 1 - score)
    losses: Numbers = -np.log(np.clip(given, LEAST, 1 - LEAST))
    return losses


def entropy(rate: float) -> float:
    """Return the log loss of always giving the base rate."""
    if not 0 < rate < 1:
        return 0.0
    return float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))


def calibration(labels: Numbers, scores: Numbers, ones: Numbers) -> tuple[list[dict[str, Any]], float | None]:
    """Return ten bins of equal width and the expected calibration error, from each bin's count and sums.

    The error is the mean of |mean score - share of ones| over the bins, weighted by their labels (Naeini et al. 2015).
    """
    bins = [
        {"labels": int(count), "score": float(score / count), "came_true": float(one / count)}
        if count
        else {"labels": 0, "score": None, "came_true": None}
        for count, score, one in zip(labels, scores, ones, strict=True)
    ]
    total = float(labels.sum())
    return bins, float(np.sum(np.abs(scores - ones))) / total if total else None


def tenth_of(score: float) -> int:
    """Return which of ten bins of equal width a probability is in: 0.1 is in the second, 1 in the last."""
    return min(int(score * TENTHS), TENTHS - 1)


def spearman(first: Numbers, second: Numbers) -> float | None:
    """Return Spearman's rank correlation; values that are the same share a rank."""
    return _correlation(ranks(first), ranks(second), np.ones(len(first)))


def binned_spearman(counts: Numbers) -> float | None:
    """Return Spearman's rank correlation of a table of counts, both sides ascending; within a cell all are ties."""
    if not counts.any():
        return None
    row_ranks, column_ranks = (_shared_ranks(counts.sum(axis=axis)) for axis in (1, 0))
    rows, columns = np.nonzero(counts)
    return _correlation(row_ranks[rows], column_ranks[columns], counts[rows, columns])


def _shared_ranks(counts: Numbers) -> Numbers:
    shared: Numbers = np.cumsum(counts) - (counts - 1) / 2
    return shared


def _correlation(first: Numbers, second: Numbers, weights: Numbers) -> float | None:
    if not len(first):
        return None
    first = first - np.average(first, weights=weights)
    second = second - np.average(second, weights=weights)
    spread = float(np.sum(weights * first**2)) * float(np.sum(weights * second**2))
    return float(np.sum(weights * first * second)) / spread**0.5 if spread > 0 else None


def top_tenth_share(score: Numbers, labels: Numbers, sums: Numbers) -> float | None:
    """Return which share of the whole sum is with the tenth of labels that was scored highest.

    Takes one row a label or one a bin: its score, its number of labels and the sum over them. Those with one score
    that only in part belong to the tenth give that part.
    """
    whole = float(sums.sum())
    if not whole:
        return None
    _, places = np.unique(-score, return_inverse=True)
    counts, amounts = np.bincount(places, labels), np.bincount(places, sums)
    before = np.cumsum(counts) - counts
    part = np.clip((counts.sum() / TENTHS - before) / np.where(counts > 0, counts, 1), 0, 1)
    return float(np.sum(part * amounts)) / whole
