"""What a model learns from: the features of one customer at one instant and, once it is known, what came of it."""

from __future__ import annotations

import msgspec


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One released sample.

    `x` are the features at `at` (ms), in the order of the definition's `feature_names`; `y` is the label, None where
    the kind has none; `score` and `version` are what the model said at `at`, None where it said nothing yet. A score
    is a number, or a cluster's id. `why` is `event` or `timer`. `released_at` (ms) is when the label was known.
    """

    model: str
    definition: str
    customer: str
    at: int
    released_at: int
    why: str
    x: tuple[float, ...]
    y: float | None = None
    score: float | str | None = None
    version: int | None = None
