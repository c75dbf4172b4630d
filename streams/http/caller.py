"""Who asks about customers: a read key may ask about all, a token about one."""

from __future__ import annotations

from typing import NamedTuple

from streams.http.errors import HttpError

OPEN_TO_TOKENS = frozenset(("/v1/customers/{id}", "/v1/customers/{id}/changes", "/v1/stream"))
"""What a token opens, of its customer: what they are in, and what changed. Not why they are not in others."""


class Caller(NamedTuple):
    """By the name and fingerprint of the key that let them in; `customer` is None where they may ask about all.

    `ends_s` is when a token ends, UTC seconds.
    """

    key: str
    fingerprint: str
    customer: str | None = None
    ends_s: float | None = None

    def require(self, customer: str, path: str) -> None:
        """Raise `HttpError` (403) where they may not ask about this customer."""
        if self.customer is not None and self.customer != customer:
            raise HttpError(403, "another_customer", "this token is another customer's", path=path)

    def require_route(self, route: str) -> None:
        """Raise `HttpError` (403) where this route is not theirs at all."""
        if self.customer is not None and route not in OPEN_TO_TOKENS:
            message = "a token opens its customer's view, changes and stream, and nothing else; this takes a read key"
            raise HttpError(403, "token_not_enough", message)
