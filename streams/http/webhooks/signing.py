"""What receivers verify: Standard Webhooks 1.0.0, signed by the `standardwebhooks` library.

Each attempt is signed anew over the same bytes, with its own timestamp: receivers refuse one that is five minutes old.
After a rotation the old secret signs beside the new one for a day, so that receivers can change over when they like.

References
----------
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from standardwebhooks import Webhook

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64
_MADE_BYTES = 32


def make_secret() -> str:
    """Return a new secret of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_MADE_BYTES)).decode()


def check_secret(text: str) -> str:
    """Return a secret that somebody brought along; raises `ValueError`, which does not show it."""
    try:
        size = len(base64.b64decode(text.removeprefix(PREFIX).encode("ascii"), validate=True))
    except (binascii.Error, UnicodeEncodeError):
        size = 0
    if not text.startswith(PREFIX) or not LEAST_BYTES <= size <= MOST_BYTES:
        message = (
            f"a secret is {PREFIX} and the padded standard base64 of {LEAST_BYTES} to {MOST_BYTES} random bytes; "
            "leave it out to have one made"
        )
        raise ValueError(message)
    return text


def signed_headers(secrets_: Sequence[str], delivery_id: str, body: bytes, *, at_s: int) -> dict[str, str]:
    """Return the headers of one attempt.

    Parameters
    ----------
    secrets_
        The secret, after a rotation also the old one: each signs, and a receiver takes either.
    at_s
        When the attempt is made, UTC seconds.
    """
    at = datetime.fromtimestamp(at_s, UTC)  # the library reads a naive one as UTC, whatever it was
    signatures = [Webhook(secret).sign(delivery_id, at, body.decode()) for secret in secrets_]
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join(signatures),
    }
