"""One segment change: a customer crossed into or out of a segment."""

from __future__ import annotations

from typing import Any

import msgspec


class Change(msgspec.Struct, gc=False):
    """What `segment-changes` says of one crossing, before the wire adds `id` and `emitted_at`.

    `at` is in UTC milliseconds. `cause` and `because` are JSON-ready, as the change contract has them.
    """

    customer: str
    seq: int
    change: str
    segment: str
    segmentation: str | None
    other: str | None
    at: int
    cause: dict[str, Any]
    because: list[dict[str, Any]]
    segments: list[str]
    ruleset: str
