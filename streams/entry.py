"""A change as the outbox holds it, and how its JSON begins."""

from __future__ import annotations

import msgspec


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change, complete but for the moment at which it is emitted.

    `head` and `tail` are the JSON object cut open where `emitted_at` belongs.
    """

    format: int
    id: str
    customer: str
    change: str
    at: str
    commit: int
    head: bytes
    tail: bytes


class Head(msgspec.Struct, gc=False):
    """What the JSON object of a change has before `emitted_at`, in the contract's order."""

    id: str
    customer_id: str
    seq: int
    change: str
    segment: str
    segmentation: str | None
    other: str | None
    at: str
