"""One delivery, sent once: signed, to an address that was judged, and what came of it in words that show no secret."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from streams.http.webhooks.attempt import ATTEMPT_S, Outcome
from streams.http.webhooks.masks import masked
from streams.http.webhooks.outbound import NoReplyError
from streams.http.webhooks.signing import signed_headers
from streams.http.webhooks.urls import check_url

if TYPE_CHECKING:
    from state.webhooks.endpoints import Endpoint
    from streams.http.webhooks.addresses import AddressGuard
    from streams.http.webhooks.attempt import Failure
    from streams.http.webhooks.masks import masked
from streams.http.webhooks.outbound import Outbound, Reply

SHOWN_CHARS = 200
"""Of an answer's body that are shown: enough for an error's message, too little to read another's data by."""

_LONGEST_WAIT_S = 365 * 86_400
_JSON = {"Content-Type": "application/json"}


class HttpSender:
    """Sends by HTTP. It is a `streams.http.webhooks.attempt.Sender`."""

    def __init__(self, outbound: Outbound, guard: AddressGuard, *, http: bool, within_s: float = ATTEMPT_S) -> None:
        """Send through `outbound`; with `http` also without TLS."""
        self._outbound = outbound
        self._guard = guard
        self._http = http
        self._within_s = within_s

    async def send(self, endpoint: Endpoint, delivery_id: str, body: bytes, *, at_s: int) -> Outcome:
        """Send `body` signed anew and return what came of it; raises nothing but a cancellation."""
        begun = time.monotonic()
        try:
            url = check_url(endpoint.url, self._guard, http=self._http)
        except ValueError as error:  # it was added under other settings
            return _failed("address", str(error), 0.0)
        secrets = endpoint.secrets_at(1_000 * at_s)
        headers = {**endpoint.headers, **_JSON, **signed_headers(secrets, delivery_id, body, at_s=at_s)}
        try:
            reply = await self._outbound.post(url, headers, body, within_s=self._within_s)
        except NoReplyError as error:
            return _failed(error.failure, str(error), time.monotonic() - begun)
        return Outcome(
            status=reply.status,
            failure="redirect" if _leads_elsewhere(reply) else None,
            retry_after_s=seconds_of(reply.retry_after, at_s),
            shown=_shown(reply.body, (*endpoint.headers.values(), *secrets)),
            seconds=time.monotonic() - begun,
        )


def seconds_of(retry_after: str | None, now_s: float) -> float | None:
    """Return how many seconds a `Retry-After` header asks for: a number, or a date; None where it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:20]), _LONGEST_WAIT_S))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    asked_s = (at - datetime.fromtimestamp(now_s, UTC)).total_seconds()
    return min(max(asked_s, 0.0), float(_LONGEST_WAIT_S))


def _failed(failure: Failure, text: str, seconds: float) -> Outcome:
    return Outcome(failure=failure, shown=text, seconds=seconds)


def _leads_elsewhere(reply: Reply) -> bool:
    return 300 <= reply.status < 400  # noqa: PLR2004 - 3xx


def _shown(body: bytes, hidden: tuple[str, ...]) -> str:
    """Return the beginning of a body as text of one line; what we sent and nobody is to see is masked in it."""
    text = masked(body.decode("utf-8", "replace"), hidden)
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
