"""How much ingest takes: of one request, and of all together."""

from __future__ import annotations

from dataclasses import dataclass

from streams.http.errors import later

MAX_BODY_BYTES = 4 * 1024 * 1024 + 64 * 1024
"""After decompression. The SDKs' own bound; a batch of Node's is often over the 500 KB that Segment names."""

MAX_ITEMS = 50_000
"""Of a batch: more than 4 MiB hold of real events."""

MAX_MADE_BYTES = 8 * MAX_BODY_BYTES
"""Of the records that a request becomes: its defaults are copied into each."""

RECORD_BYTES = 200
"""What a record takes beside its value."""


@dataclass(slots=True)
class Share:
    """What one request holds of the whole."""

    whole: InFlight
    held: int = 0

    def hold(self, size: int) -> None:
        """Hold so many bytes in all, where that is more than now; raises `HttpError` (429)."""
        more = size - self.held
        if more > 0:
            self.whole.take(more)
            self.held = size

    def release(self) -> None:
        """Give all of it back."""
        self.whole.give(self.held)
        self.held = 0


class InFlight:
    """The bytes of all requests whose events the broker has yet to take, and of records it may yet take."""

    def __init__(self, most: int) -> None:
        """Hold nothing yet; `most` is where 429 begins."""
        self.most = most
        self.held = 0

    def take(self, size: int) -> None:
        """Hold so many more; raises `HttpError` (429) where that is too many."""
        self.check(size)
        self.hold(size)

    def check(self, size: int) -> None:
        """Raise `HttpError` (429) where so many more are too many."""
        if self.held + size > self.most:
            raise later(429, "too_much_in_flight", "too much is on its way to the broker already; come again")

    def hold(self, size: int) -> None:
        """Hold so many more, whether or not it is too many."""
        self.held += size

    def give(self, size: int) -> None:
        """Hold so many less."""
        self.hold(-size)
