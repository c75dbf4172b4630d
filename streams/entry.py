"""A change as the outbox holds it."""

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
