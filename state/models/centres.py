"""Frozen clusters: which centre a customer is nearest to, said without a change of heart at every small step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from state.models.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rules.models.definition import Clusters
    from state.models.scorer import Said


class ClusterScorer:
    """One version of a clusters model; scoring leaves it as it is.

    Its JSON, as the learner makes it, is `{scale: {mean, sd}, clusters: [{id, centre, share, description, typical}],
    retired: [id], silhouettes: [[k, simplified silhouette]]}`: `scale` and `centre` have one number a feature, the
    centre's being scaled; `share` is the cluster's part of recent samples, `typical` up to three customers near the
    centre, the nearest first; `retired` are ids that the last refit did away with; silhouettes are there where k was
    chosen.
    """

    def __init__(self, definition: Clusters, version: int, scorer: Mapping[str, Any]) -> None:
        """`definition` is the one in force: its `margin` and `labels` may be newer than the snapshot."""
        self.version = version
        clusters = scorer["clusters"]
        labels = definition.labels
        self.titles: Mapping[str, str] = {
            cluster["id"]: labels.get(cluster["id"], cluster["description"]) for cluster in clusters
        }
        self._scale = Scale(scorer["scale"]["mean"], scorer["scale"]["sd"])
        self._ids: list[str] = [cluster["id"] for cluster in clusters]
        self._centres = [tuple(cluster["centre"]) for cluster in clusters]
        self._places = {cluster: place for place, cluster in enumerate(self._ids)}
        self._nearer = 1 - float(definition.margin)

    def score(self, x: Sequence[float], before: Said | None) -> Said:
        """Return the id of the customer's cluster.

        That is `before`, while there is no centre nearer by at least the share `margin` (Euclidean distances of the
        scaled vectors); else the nearest. A cluster that is retired or unknown counts as no `before`.
        """
        z = self._scale.scaled(x)
        distances = [math.dist(z, centre) for centre in self._centres]
        nearest = min(distances)
        held = self._places.get(before) if isinstance(before, str) else None
        if held is not None:
            distance = distances[held]
            if nearest >= distance or nearest > distance * self._nearer:
                return self._ids[held]
        return self._ids[distances.index(nearest)]

    def distance(self, x: Sequence[float], cluster: str) -> float | None:
        """Return the scaled distance to a cluster's centre, None where it is retired or unknown."""
        place = self._places.get(cluster)
        return None if place is None else math.dist(self._scale.scaled(x), self._centres[place])
