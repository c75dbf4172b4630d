"""What says something of a customer: made from a snapshot, and never changed by what it scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Said = float | str
"""A score: a number, or the id of a cluster."""


class Scorer(Protocol):
    """One version of one model."""

    version: int
    titles: Mapping[str, str]
    """Of clusters: id -> a description for people; empty for other kinds."""

    def score(self, x: Sequence[float], before: Said | None) -> Said:
        """Return what the model says of these features; `before` is what it last said of the customer."""


Scorers = dict[str, Scorer]
"""Model key -> the scorer in force; a model that is still warming up has none."""
