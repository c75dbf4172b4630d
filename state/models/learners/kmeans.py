"""K-means over a batch: the first centres of a warm-up, and how many there are to be."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

RESTARTS: Final = 5
WORTH: Final = 0.05
"""The share of distortion that new centres must save to take the place of known ones."""
MOST_ROUNDS: Final = 100
"""Lloyd's rounds; they end sooner where no row changes its centre."""


class Fit(NamedTuple):
    """`centres` (k, features), the largest cluster's first; `distortion` is the mean squared distance to the nearest.

    `silhouette` is the simplified one, between -1 and 1.
    """

    centres: Matrix
    distortion: float
    silhouette: float
    sizes: list[int]


def fit(rows: Matrix, k: int, seed: str, begin: Matrix | None = None) -> Fit:
    """Return the best of five by distortion: k-means++, then Lloyd's rounds until no row changes its centre.

    `rows` (samples, features) hold at least `k` different rows. With `begin`, `k` centres that people know, what
    Lloyd's rounds make of those is taken unless the best of five is better by 5 %: of many solutions nearly as good as
    each other, a refit is not to rename customers for a trifle. The same arguments give the same centres. Sources:
    Arthur and Vassilvitskii, k-means++: the advantages of careful seeding (2007); Lloyd, Least squares quantization in
    PCM (1982).
    """
    rng = random.Random(f"{seed}/{k}")  # noqa: S311 - to be repeated, not to be kept secret
    squares = np.einsum("ij,ij->i", rows, rows)
    tries = (_lloyd(rows, squares, _plus_plus(rows, k, rng)) for _ in range(RESTARTS))
    centres, near = min(tries, key=lambda found: float(found[1].mean()))
    if begin is not None:
        known = _lloyd(rows, squares, begin)
        if known[1].mean() * (1 - WORTH) <= near.mean():
            centres, near = known
    distances = _squared(rows, squares, centres)
    sizes = np.bincount(distances.argmin(axis=1), minlength=k)
    order = np.argsort(-sizes, kind="stable")
    return Fit(centres[order], float(near.mean()), simplified_silhouette(distances), sizes[order].tolist())


def choose(rows: Matrix, ks: Iterable[int], seed: str, begin: Matrix | None = None) -> tuple[Fit, dict[int, float]]:
    """Return the fit of the `k` with the highest simplified silhouette, the smallest such, and all silhouettes by k.

    `begin` are known centres, where there is one `k` alone.

    Of the criteria compared by Vendramin, Campello and Hruschka, Relative clustering validity criteria (2010), the
    silhouettes are among the best; the simplified one measures to centres, so it costs rows × k.
    """
    fits = {k: fit(rows, k, seed, begin) for k in ks}
    best = max(fits, key=lambda k: (fits[k].silhouette, -k))
    return fits[best], {k: fits[k].silhouette for k in fits}


def simplified_silhouette(squared: Matrix) -> float:
    """Return the mean of (b - a) / b, where a and b are a row's distances to its nearest and second nearest centre.

    `squared` are squared distances (rows, centres), two centres at least. A row on two centres at once counts as 0.
    Source: Hruschka, de Castro and Campello, Evolutionary algorithms for clustering gene-expression data (2004).
    """
    nearest = np.sqrt(np.partition(squared, 1, axis=1)[:, :2])
    a, b = nearest[:, 0], nearest[:, 1]
    return float(np.divide(b - a, b, out=np.zeros_like(a), where=b > 0).mean())


def _squared(rows: Matrix, squares: Matrix, centres: Matrix) -> Matrix:
    crossed = squares[:, None] - 2 * (rows @ centres.T) + np.einsum("ij,ij->i", centres, centres)
    squared: Matrix = np.maximum(crossed, 0.0)
    return squared


def _plus_plus(rows: Matrix, k: int, rng: random.Random) -> Matrix:
    chosen = [int(rng.random() * len(rows))]
    near = ((rows - rows[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < k:
        upto = np.cumsum(near)
        at = min(int(np.searchsorted(upto, rng.random() * upto[-1], side="right")), len(rows) - 1)
        chosen.append(at)
        near = np.minimum(near, ((rows - rows[at]) ** 2).sum(axis=1))
    return rows[chosen].copy()


def _lloyd(rows: Matrix, squares: Matrix, centres: Matrix) -> tuple[Matrix, Matrix]:
    k = len(centres)
    belongs = np.full(len(rows), -1)
    near = np.zeros(len(rows))
    for _ in range(MOST_ROUNDS):
        squared = _squared(rows, squares, centres)
        now = squared.argmin(axis=1)
        near = squared[np.arange(len(rows)), now]
        if (now == belongs).all():
            break
        belongs = now
        sizes = np.bincount(belongs, minlength=k)
        sums = np.stack([np.bincount(belongs, weights=column, minlength=k) for column in rows.T], axis=1)
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centres)
        for empty, far in zip(np.flatnonzero(sizes == 0), np.argsort(-near), strict=False):
            centres[empty] = rows[far]
    return centres, near
