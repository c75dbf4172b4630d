"""What a clusters learner says of its samples and its clusters when something is not as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.durations import describe_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rules.models.definition import Clusters
    from state.models.learners.warming import Warming

SMALL: Final = 0.01
"""A cluster with less of the samples is reported."""


def of_features(not_finite: Mapping[str, int]) -> Iterator[str]:
    """Yield which features were no numbers; `not_finite` counts such samples by feature."""
    for name, count in not_finite.items():
        if count:
            yield (
                f"feature {name} was infinite or no number in {count:,} samples; it counts there as ±8 standard "
                "deviations or as the mean: look at the events it comes from"
            )


def of_waiting(warming: Warming, *, enough: bool) -> Iterator[str]:
    """Yield why there are still no clusters; `enough` says whether there are as many different vectors."""
    if not warming.over:
        return
    for name in warming.constant():
        yield (
            f"feature {name} was the same in all of the newest {len(warming):,} samples: there are no clusters "
            "before it varies; mend it, or remove it"
        )
    if not enough:
        yield f"the newest {len(warming):,} samples have only {warming.distinct} different vectors: lower k"


def of_windows(definition: Clusters, warmed_ms: int, seen_ms: int) -> Iterator[str]:
    """Yield whether the warm-up, of `warmed_ms`, was shorter than features look back, while that matters.

    Then customers appear who are like none of those at warm-up: silent for as long as features look back. After twice
    that time, of the `seen_ms` since the first sample, the centres have followed.
    """
    counters = (feature.did or feature.total for feature in definition.features.values())
    back_ms = max((counter.within for counter in counters if counter and counter.within), default=0)
    if warmed_ms < back_ms and seen_ms < 2 * back_ms:
        yield (
            f"the clusters were made from samples of {describe_duration(warmed_ms)}, but features look back "
            f"{describe_duration(back_ms)}: customers who stopped since were not among them, and many will move at "
            "once as the centres follow; use shorter windows, or raise warm_up and warm_up_for"
        )


def of_sizes(ids: Sequence[str], shares: Sequence[float]) -> Iterator[str]:
    """Yield which clusters have less than 1 % of the recent samples."""
    for cluster, share in zip(ids, shares, strict=True):
        if share < SMALL:
            yield f"cluster {cluster} has {share:.1%} of the recent samples: fewer clusters may say as much"
