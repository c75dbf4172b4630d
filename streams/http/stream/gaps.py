"""What of a log can be had no more: past retention, cut off at the end, or gone with a topic that was made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streams.http.stream.entries import Gap
from streams.http.stream.position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.reader import Bounds


class Found(NamedTuple):
    """Where to read on, and what is missing before that."""

    position: Position
    gaps: dict[int, Gap]

    @property
    def back(self) -> bool:
        """Whether an offset goes back: what was read under it before is not what stands there now."""
        return any(gap.end < gap.begin for gap in self.gaps.values())


def compare(stood: Position, mark: bytes, count: int, bounds: Mapping[int, Bounds]) -> Found:
    """Return where who stood at a position goes on in the log that there is now.

    Of a topic that was made anew, which its mark tells, all is new. Of the same topic what lies beyond the end was cut
    off, and reading goes on at the end.

    Parameters
    ----------
    count
        How many partitions the topic has.
    bounds
        What they hold; of the same topic, those left out are taken as holding what is asked for.
    """
    position = Position(mark, [*stood.offsets, *[0] * count][:count])
    gaps = {}
    for partition, (first, end) in bounds.items():
        begin = position.offsets[partition]
        goes_on = first if stood.mark != mark else max(first, min(begin, end))
        if goes_on != begin:
            position.move(partition, goes_on)
            gaps[partition] = Gap(begin, goes_on)
    return Found(position, gaps)
