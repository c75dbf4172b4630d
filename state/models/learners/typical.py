"""Customers that stand for a cluster: those near its centre lately."""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN: Final = 3
HELD: Final = 12
"""More than are shown: some of them will have moved on by the next time."""
NEAREST: Final = 1e-9
"""A customer on the centre counts as this far from it: there is no logarithm of 0."""


class Typical:
    """The customers nearest to each centre, by their newest sample; in `half_life` samples a distance doubles.

    What is kept of a distance is its logarithm less the instant in half-lives of its cluster's samples: in that order
    the nearest stand first now and at any later time, with nothing to be aged.
    """

    def __init__(self, half_life: float) -> None:
        """`half_life` counts samples of the same cluster."""
        self._aging = math.log(2) / half_life
        self._seen: dict[str, int] = {}
        self._near: dict[str, list[tuple[float, str]]] = {}
        self._cluster_of: dict[str, str] = {}

    def see(self, cluster: str, customer: str, distance: float) -> None:
        """Take a customer's newest sample; one of theirs that was kept before is forgotten."""
        seen = self._seen[cluster] = self._seen.get(cluster, 0) + 1
        former = self._cluster_of.pop(customer, None)
        if former is not None:
            self._near[former] = [entry for entry in self._near[former] if entry[1] != customer]
        order = math.log(max(distance, NEAREST)) - seen * self._aging
        near = self._near.setdefault(cluster, [])
        if len(near) == HELD:
            if order >= near[-1][0]:
                return
            del self._cluster_of[near.pop()[1]]
        insort(near, (order, customer))
        self._cluster_of[customer] = cluster

    def of(self, cluster: str) -> list[str]:
        """Return up to three customers, the most typical first."""
        return [customer for _, customer in self._near.get(cluster, ())[:SHOWN]]

    def rename(self, names: dict[str, str]) -> None:
        """Give clusters other ids, old -> new; all that are known must be named."""
        self.restore([[names[cluster], *rest] for cluster, *rest in self.state()])

    def state(self) -> list[Any]:
        """Return the JSON form, exact."""
        return [[cluster, self._seen[cluster], near] for cluster, near in self._near.items()]

    def restore(self, state: Iterable[Any]) -> None:
        """Take over a state."""
        self._seen.clear()
        self._near.clear()
        self._cluster_of.clear()
        for cluster, seen, near in state:
            self._seen[cluster] = seen
            self._near[cluster] = [(order, customer) for order, customer in near]
            self._cluster_of.update((customer, cluster) for _, customer in near)
