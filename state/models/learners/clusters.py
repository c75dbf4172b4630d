"""Learns clusters: centres from a warm-up, moved a little by each sample, under ids that customers keep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from river.cluster import KMeans

from rules.models.definition import Between
from state.models.describe import Words
from state.models.learners import remarks
from state.models.learners.base import Learner
from state.models.learners.kmeans import choose
from state.models.learners.matching import match
from state.models.learners.scaling import LARGEST
from state.models.learners.typical import Typical
from state.models.learners.warming import Warming
from state.models.packed import pack_floats, unpack_floats
from state.models.scale import Scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rules.models.definition import Clusters
    from state.models.sample import Sample

RECENT: Final = 5_000
"""Of about so many samples the clusters' shares tell."""


class ClustersLearner(Learner):
    """K-means by River, begun where a batch of warm-up samples has its centres.

    While warming up there is neither scorer nor state. Then the scale is frozen, k-means++ with Lloyd's rounds finds
    the first centres (best of five; `k: {between}` is decided by the simplified silhouette, once), the largest being
    c1; from there on each sample moves its centre by the share `step`, which River calls `halflife`. The centres are
    put into River through its public `centers`, with every feature in each, so that nothing is ever drawn at random.

    All distances are Euclidean, of vectors scaled and clipped to ±8.
    """

    def __init__(self, definition: Clusters) -> None:
        """Begin with nothing learned."""
        self._definition = definition
        self._names = definition.feature_names
        self._not_finite = dict.fromkeys(self._names, 0)
        self._warming: Warming | None = Warming(self._names, definition.warm_up, definition.warm_up_for)
        self._old: ClustersLearner | None = None
        self._scale = Scale((), ())
        self._yardstick = self._scale
        """The scale that losses are measured in: a refit's and the old one's are compared, so it is handed on."""
        self._kmeans = KMeans(0, halflife=float(definition.step))
        self._ids: list[str] = []
        self._shares: list[float] = []
        self._next = 1
        self._retired: list[str] = []
        self._warmed_ms = 0
        """From the first to the last sample that the first centres were made from."""
        self._seen_ms: tuple[int, int] | None = None
        """The instants of the first and of the newest sample."""
        self._silhouettes: dict[int, float] = {}
        self._typical = Typical(half_life=1 / float(definition.step))

    def learn(self, sample: Sample) -> None:
        """Learn a sample."""
        first_ms, newest_ms = self._seen_ms or (sample.at, sample.at)
        self._seen_ms = (first_ms, max(newest_ms, sample.at))
        for value in sample.x:
            if not -LARGEST <= value <= LARGEST:
                self._count(sample)
                break
        if self._warming is None:
            self._move(sample.customer, self._scale.scaled(sample.x))
            return
        self._warming.add(sample)
        if self._warming.over and self._old is None:
            self.settle()

    def loss(self, sample: Sample) -> float | None:
        """Return the distance to the nearest centre; None while warming up.

        It is measured in the scale of the very first warm-up: so a refit's losses and its predecessor's compare.
        """
        if self._warming is not None:
            return None
        place = self._nearest(self._scale.scaled(sample.x))[0]
        centre = self._centre(place)
        if self._yardstick is not self._scale:
            centre = list(self._yardstick.scaled(self._scale.natural(centre)))
        return math.dist(self._yardstick.scaled(sample.x), centre)

    @property
    def warming_up(self) -> bool:
        """Whether there are no clusters yet."""
        return self._warming is not None

    @property
    def ids(self) -> tuple[str, ...]:
        """The clusters' ids."""
        return tuple(self._ids)

    def distances(self, x: Sequence[float]) -> tuple[float, float] | None:
        """Return the distances to the nearest centre and to the second nearest; None while warming up."""
        if self._warming is not None:
            return None
        place, distances = self._nearest(self._scale.scaled(x))
        return distances[place], min(distances[:place] + distances[place + 1 :])

    def settle(self) -> None:
        """End the warm-up, if every feature varies in it and it has as many different vectors as there are clusters."""
        if self._warming is None:
            return
        ks = self._ks(self._warming.distinct)
        if ks and self._warming.ready(ks[0]):
            self._begin(self._warming, ks)

    def adopt(self, old: Learner) -> None:
        """Go on as the successor of a learner: with its number of clusters, their ids, and its measure of loss.

        Called before the samples are learned, the clusters are made from all of them, at `settle`.
        """
        if not isinstance(old, ClustersLearner) or old.warming_up:
            return
        self._old = old
        if self._warming is None:
            self._succeed(old)
        elif not len(self._warming):
            self._warming = Warming(self._names, self._definition.refit_window, self._definition.warm_up_for)

    def scorer(self) -> dict[str, Any] | None:
        """Return the JSON that `ClusterScorer` documents; None while warming up."""
        if self._warming is not None:
            return None
        words, population = Words(self._definition), self._population()
        clusters = [
            {
                "id": cluster,
                "centre": self._centre(place),
                "share": round(self._shares[place], 6),
                "description": words.cluster(self._scale, self._centre(place), population),
                "typical": self._typical.of(cluster),
            }
            for place, cluster in enumerate(self._ids)
        ]
        return {
            "kind": "clusters",
            "names": list(self._names),
            "scale": {"mean": list(self._scale.mean), "sd": list(self._scale.sd)},
            "clusters": clusters,
            "retired": self._retired,
            "silhouettes": self._told_silhouettes(),
        }

    def state(self) -> dict[str, Any] | None:
        """Return the JSON form, exact; None while warming up."""
        if self._warming is not None:
            return None
        return {
            "scale": [self._scale.mean, self._scale.sd],
            "yardstick": None if self._yardstick is self._scale else [self._yardstick.mean, self._yardstick.sd],
            "ids": self._ids,
            "centres": pack_floats(value for place in range(len(self._ids)) for value in self._centre(place)),
            "shares": self._shares,
            "next": self._next,
            "retired": self._retired,
            "warmed_ms": self._warmed_ms,
            "seen_ms": self._seen_ms,
            "silhouettes": self._told_silhouettes(),
            "typical": self._typical.state(),
            "not_finite": list(self._not_finite.values()),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        self._warming = None
        self._scale = Scale(*state["scale"])
        self._yardstick = Scale(*state["yardstick"]) if state["yardstick"] else self._scale
        self._ids = list(state["ids"])
        values, width = unpack_floats(state["centres"]), len(self._names)
        self._put([values[start : start + width] for start in range(0, len(values), width)])
        self._shares = list(state["shares"])
        self._next = state["next"]
        self._retired = list(state["retired"])
        self._warmed_ms = state["warmed_ms"]
        self._seen_ms = (state["seen_ms"][0], state["seen_ms"][1])
        self._silhouettes = {k: value for k, value in state["silhouettes"]}  # noqa: C416 - pairs are lists in JSON
        self._typical.restore(state["typical"])
        self._not_finite = dict(zip(self._names, state["not_finite"], strict=True))

    def problems(self) -> Iterator[str]:
        """Yield what is wrong with the samples, in words, and which clusters are small."""
        yield from remarks.of_features(self._not_finite)
        if self._warming is not None:
            yield from remarks.of_waiting(self._warming, enough=bool(self._ks(self._warming.distinct)))
        elif self._seen_ms is not None:
            first_ms, newest_ms = self._seen_ms
            yield from remarks.of_windows(self._definition, self._warmed_ms, newest_ms - first_ms)
        yield from remarks.of_sizes(self._ids, self._shares)

    def _told_silhouettes(self) -> list[tuple[int, float]]:
        return list(self._silhouettes.items())

    def _ks(self, distinct: int) -> range:
        """Return the numbers of clusters to choose from, none where there are too few different vectors."""
        k = self._definition.k
        first, last = k.between if isinstance(k, Between) else (k, k)
        if self._old is not None:
            first = last = len(self._old.ids)
        return range(first, min(last, distinct) + 1)

    def _begin(self, warming: Warming, ks: range) -> None:
        self._scale = self._yardstick = warming.scale()
        samples = [(customer, self._scale.scaled(x)) for customer, x in warming.samples()]
        rows = np.array([z for _, z in samples])
        begin = None if self._old is None else np.array(self._known(self._old))
        fit, silhouettes = choose(rows, ks, self._definition.definition, begin)
        self._silhouettes = silhouettes if len(ks) > 1 else {}
        k = len(fit.centres)
        self._ids = [f"c{number}" for number in range(1, k + 1)]
        self._next = k + 1
        self._shares = [size / len(samples) for size in fit.sizes]
        self._put(fit.centres.tolist())
        self._warming, self._warmed_ms = None, warming.span_ms
        for customer, z in samples:
            place, distances = self._nearest(z)
            self._typical.see(self._ids[place], customer, distances[place])
        if self._old is not None:
            self._succeed(self._old)

    def _known(self, old: ClustersLearner) -> list[tuple[float, ...]]:
        """Return an old one's centres in the own scale."""
        centres = (old._centre(place) for place in range(len(old._ids)))
        return [self._scale.scaled(old._scale.natural(centre)) for centre in centres]

    def _succeed(self, old: ClustersLearner) -> None:
        """Take over the old one's ids where a cluster is the same, and fresh ones elsewhere."""
        mine = [self._centre(place) for place in range(len(self._ids))]
        theirs = [old._centre(place) for place in range(len(old._ids))]
        pairs = match(theirs, [old._scale.scaled(self._scale.natural(centre)) for centre in mine])
        self._next = old._next
        ids = []
        for place in range(len(mine)):
            if place in pairs:
                ids.append(old._ids[pairs[place]])
            else:
                ids.append(f"c{self._next}")
                self._next += 1
        self._typical.rename(dict(zip(self._ids, ids, strict=True)))
        self._ids = ids
        self._retired = [cluster for cluster in old._ids if cluster not in ids]
        self._yardstick = old._yardstick
        if self._seen_ms is not None and old._seen_ms is not None:
            self._seen_ms = (min(old._seen_ms[0], self._seen_ms[0]), self._seen_ms[1])
        self._old = None

    def _move(self, customer: str, z: tuple[float, ...]) -> None:
        place = self._kmeans.learn_predict_one(dict(enumerate(z)))
        self._typical.see(self._ids[place], customer, math.dist(z, self._centre(place)))
        kept = 1 - 1 / RECENT
        self._shares = [share * kept for share in self._shares]
        self._shares[place] += 1 / RECENT

    def _nearest(self, z: tuple[float, ...]) -> tuple[int, list[float]]:
        distances = [math.dist(z, centre.values()) for centre in self._kmeans.centers.values()]
        return distances.index(min(distances)), distances

    def _centre(self, place: int) -> list[float]:
        return list(self._kmeans.centers[place].values())

    def _put(self, centres: Sequence[Sequence[float]]) -> None:
        self._kmeans = KMeans(len(centres), halflife=float(self._definition.step))
        for place, centre in enumerate(centres):
            self._kmeans.centers[place].update(enumerate(centre))

    def _population(self) -> list[float]:
        """Return the mean of recent samples: the centres by their shares, since the scale's mean is the warm-up's."""
        total = sum(self._shares)
        return [
            sum(share * value for share, value in zip(self._shares, values, strict=True)) / total
            for values in zip(*(self._centre(place) for place in range(len(self._ids))), strict=True)
        ]

    def _count(self, sample: Sample) -> None:
        for name, value in zip(self._names, sample.x, strict=True):
            if not -LARGEST <= value <= LARGEST:
                self._not_finite[name] += 1
