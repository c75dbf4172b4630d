"""Features scaled as they are learned: River's running means and variances, kept from what would spoil them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from river.preprocessing import StandardScaler

from state.models.scale import CLIP, clipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST: Final = 1e15
"""What is larger counts as infinite: the square of a feature must stay finite, and exact to a unit."""


class Scaling:
    """Running means and variances of a vector, and the vector scaled by them and clipped to ±8.

    An infinite value is ±8; one that is no number counts as the mean (0). Neither changes mean or variance, and both
    are counted by feature in `not_finite`.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Take the features' names, in the order of the vector."""
        self.names = tuple(names)
        self.not_finite = dict.fromkeys(self.names, 0)
        self._scaler = StandardScaler()

    def learn(self, x: Sequence[float]) -> None:
        """Take a vector into the means and variances."""
        named = dict(zip(self.names, x, strict=True))
        for value in x:
            if not -LARGEST <= value <= LARGEST:
                named = self._finite(named)
                break
        self._scaler.learn_one(named)

    def scaled(self, x: Sequence[float]) -> dict[str, float]:
        """Return name -> (x - mean) / sd, clipped to ±8; 0 for what never varied."""
        named: dict[str, float] = self._scaler.transform_one(dict(zip(self.names, x, strict=True)))
        for name, z in named.items():
            if not -CLIP <= z <= CLIP:
                named[name] = clipped(z)
        return named

    def means(self) -> list[float]:
        """Return the mean of each feature."""
        return [self._scaler.means.get(name, 0.0) for name in self.names]

    def sds(self) -> list[float]:
        """Return the standard deviation (of the population) of each feature, 0 for one that never varied."""
        return [math.sqrt(max(self._scaler.vars.get(name, 0.0), 0.0)) for name in self.names]

    def state(self) -> dict[str, Any]:
        """Return the JSON form, exact."""
        scaler = self._scaler
        return {
            "counts": [scaler.counts.get(name, 0) for name in self.names],
            "means": self.means(),
            "vars": [scaler.vars.get(name, 0.0) for name in self.names],
            "not_finite": list(self.not_finite.values()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._scaler.counts.update(dict(zip(self.names, state["counts"], strict=True)))
        self._scaler.means.update(zip(self.names, state["means"], strict=True))
        self._scaler.vars.update(zip(self.names, state["vars"], strict=True))
        self.not_finite = dict(zip(self.names, state["not_finite"], strict=True))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the features, in words."""
        for name, count in self.not_finite.items():
            if count:
                yield (
                    f"feature {name} was infinite or no number in {count:,} samples; no such value is learned from: "
                    "look at the events it comes from"
                )
        counts = self._scaler.counts
        learned = max(counts.values(), default=0)
        for name, variance in zip(self.names, self.state()["vars"], strict=True):
            if learned > 1 and variance == 0 and counts[name]:
                yield f"feature {name} was the same in all of {learned:,} samples: it tells nothing yet"

    def _finite(self, named: dict[str, float]) -> dict[str, float]:
        finite = {}
        for name, value in named.items():
            if -LARGEST <= value <= LARGEST:
                finite[name] = value
            else:
                self.not_finite[name] += 1
        return finite
