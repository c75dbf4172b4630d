"""About how many bytes changes and samples come to on the wire, or more: what a batch may carry is bounded by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.change import Change
    from state.models.sample import Sample

_CHANGE_BYTES = 500
_REASON_BYTES = 150
_SAMPLE_BYTES = 300
_FEATURE_BYTES = 30
_QUOTED = 3


def weigh_changes(changes: Sequence[Change]) -> int:
    """Return the weight of changes; those of one evaluation share their list of segments."""
    weight, segments, listed = 0, None, 0
    for change in changes:
        if change.segments is not segments:
            segments, cause = change.segments, change.cause
            listed = sum(map(len, segments)) + _QUOTED * len(segments)
            # both are the sender's, and may be as long as an event
            listed += len(cause.get("event") or "") + len(cause.get("message_id") or "")
        weight += _CHANGE_BYTES + _REASON_BYTES * len(change.because) + listed
    return weight


def weigh_samples(samples: Sequence[Sample]) -> int:
    """Return the weight of samples."""
    return sum(_SAMPLE_BYTES + _FEATURE_BYTES * len(sample.x) for sample in samples)
