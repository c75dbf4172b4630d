"""One attempt to deliver: what it is given, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from state.webhooks.endpoints import Endpoint

ATTEMPT_S = 15.0
"""How long an attempt may take, from the look-up of the name to the answer's head."""

SHOWN_BYTES = 1024
"""How much of an answer's body is read at most."""

Failure = Literal["timeout", "refused", "name", "tls", "address", "redirect", "broken"]
"""Why there is no status: no answer in time, no connection, no such name, no trust, an address or scheme that is not
allowed, an answer that leads elsewhere (its status is there too), or an answer that is no HTTP."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt.

    `status` is the answer's, None where there was none; `failure` says why, and is None where the status says all.
    `retry_after_s` is what the answer asked for, in seconds from its coming. `shown` is fit to be shown to who holds
    the admin key: at most 1 KiB, masked. `seconds` is how long it took.
    """

    status: int | None = None
    failure: Failure | None = None
    retry_after_s: float | None = None
    shown: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the delivery is done."""
        return self.failure is None and self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - 2xx


class Sender(Protocol):
    """Sends a delivery once."""

    async def send(self, endpoint: Endpoint, delivery_id: str, body: bytes, *, at_s: int) -> Outcome:
        """Send `body` signed anew and return what came of it, within `ATTEMPT_S`.

        Raises nothing but a cancellation: what goes wrong is an outcome. `delivery_id` is `webhook-id`, the same for
        each attempt; `at_s` is `webhook-timestamp`, UTC seconds.
        """
