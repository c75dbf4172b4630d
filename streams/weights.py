"""About how many bytes changes and samples come to on the wire, or more: what a batch may carry is bounded by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from state.change import Change
    from state.models.sample import Sample

_CHANGE_BYTES: Final = 500
_REASON_BYTES: Final = 150
_SAMPLE_BYTES: Final = 300
_FEATURE_BYTES: Final = 30
_QUOTED: Final = 3


def weigh_changes(changes: Sequence[Change]) -> int:
    """Return the weight of changes; those of one evaluation share their list of segments."""
    weight = listed = 0
    seen: list[str] | None = None
    for change in changes:
        segments: list[str] = change.segments
        if segments is not seen:
            seen, listed = segments, _QUOTED * len(segments)
            for name in segments:
                listed += len(name)
            cause: dict[str, Any] = change.cause
            for said in (cause.get("event"), cause.get("message_id")):  # the sender's, and maybe as long as an event
                listed += len(said) if said else 0
        weight += _CHANGE_BYTES + _REASON_BYTES * len(change.because) + listed
    return weight


def weigh_samples(samples: Sequence[Sample]) -> int:
    """Return the weight of samples."""
    return sum(_SAMPLE_BYTES + _FEATURE_BYTES * len(sample.x) for sample in samples)
