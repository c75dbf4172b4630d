"""Which changes an endpoint wants, and the body that it gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from state.webhooks.endpoints import ALL_SEGMENTS
from streams.changes import SOURCE_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from state.webhooks.endpoints import Endpoint
    from streams.reader import Record


class _Cause(msgspec.Struct):
    type: str


class _Change(msgspec.Struct):
    id: str
    customer_id: str
    change: str
    segment: str
    segmentation: str | None
    at: str
    cause: _Cause


_decode = msgspec.json.Decoder(_Change).decode


class Found:
    """A change as the topic has it: what endpoints choose by, and its bytes."""

    __slots__ = ("_plain", "at", "cause", "change", "customer", "id", "offset", "segments", "value")

    def __init__(self, offset: int, value: bytes) -> None:
        """Read it; raises `msgspec.MsgspecError` where it is none."""
        change = _decode(value)
        self.offset = offset
        self.value = value
        self.id = change.id
        self.customer = change.customer_id
        self.change = change.change
        self.cause = change.cause.type
        self.at = change.at
        self.segments = {change.segment}
        """What it goes by: its segment's key, in a segmentation also `segmentation.segment` and the segmentation's."""
        if change.segmentation is not None:
            self.segments |= {change.segmentation, f"{change.segmentation}.{change.segment}"}
        self._plain: bytes | None = None

    def body(self, traits: Mapping[str, Any] | None = None) -> bytes:
        """Return what is sent; with `traits`, `data` has them too."""
        if traits is None:
            if self._plain is None:  # most endpoints get the same bytes
                self._plain = self._wrapped(self.value)
            return self._plain
        return self._wrapped(self.value.rstrip()[:-1] + b',"traits":' + orjson.dumps(traits) + b"}")

    def _wrapped(self, data: bytes) -> bytes:
        return body_of(self.change, self.at, data)


def body_of(change: str, at: str, data: bytes) -> bytes:
    """Return a webhook's body: `data` is JSON, `at` RFC 3339."""
    return b'{"type":"segment.%b","timestamp":"%b","data":%b}' % (change.encode(), at.encode(), data)


def found(record: Record, source: bytes) -> Found | None:
    """Return the change that a record holds; None where it is another app's, or none of ours."""
    if dict(record.headers).get(SOURCE_HEADER) != source:
        return None
    try:
        return Found(record.offset, record.value or b"")
    except msgspec.MsgspecError:
        return None


class Wanted:
    """What one endpoint asked for."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Take it from the endpoint's record."""
        self._all = ALL_SEGMENTS in endpoint.segments
        self._segments = frozenset(endpoint.segments)
        self._changes = frozenset(endpoint.changes)
        self._causes = frozenset(endpoint.causes)
        self.traits = endpoint.traits

    def takes(self, change: Found) -> bool:
        """Whether the endpoint is to get it."""
        return (
            change.change in self._changes
            and change.cause in self._causes
            and (self._all or not self._segments.isdisjoint(change.segments))
        )

    def wants(self, change: str) -> bool:
        """Whether it wants such changes, entered or exited."""
        return change in self._changes

    def has(self, segment: str, segmentation: str | None) -> bool:
        """Whether it wants changes of this segment."""
        names = {segment} if segmentation is None else {segment, segmentation, f"{segmentation}.{segment}"}
        return self._all or not self._segments.isdisjoint(names)
