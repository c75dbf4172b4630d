"""Which changes a client asks for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from streams.http.stream.entries import Change
    from streams.http.stream.ring import Batch


@dataclass(frozen=True, slots=True)
class Wanted:
    """An empty set, or None, asks for all; `segments` are keys, full names or segmentations."""

    segments: frozenset[str] = frozenset()
    customers: frozenset[str] = frozenset()
    change: str | None = None

    def takes(self, change: Change | None) -> bool:
        """Whether a change is for this client. A gap (None) is for everybody: what was in it nobody knows."""
        return change is None or (
            (not self.customers or change.customer in self.customers)
            and (not self.segments or not self.segments.isdisjoint(change.names))
            and (self.change is None or change.change == self.change)
        )


class Chosen(NamedTuple):
    """What of a batch is for a client: one piece of bytes, and how many events it has."""

    data: bytes
    events: int


NOTHING = Chosen(b"", 0)


@lru_cache(maxsize=64)
def chosen(batch: Batch, wanted: Wanted) -> Chosen:
    """Return it; clients that ask for the same share the very bytes."""
    frames = [entry.frame for entry in batch.entries if wanted.takes(entry.change)]
    return Chosen(frames[0] if len(frames) == 1 else b"".join(frames), len(frames))
