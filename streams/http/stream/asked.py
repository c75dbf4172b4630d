"""The body that asks for a token, read by hand: bounded, and with every fault named."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from rules.durations import format_duration, parse_duration
from state.token_secrets import LONGEST_TTL_MS
from streams.events import MAX_ID_BYTES
from streams.http.errors import HttpError

_TTL = r"^(([1-9]|[1-9][0-9]{1,2}|[12][0-9]{3}|3[0-5][0-9]{2}|3600)s|([1-9]|[1-5][0-9]|60)m|1h)$"
"""From 1s to 1h, `LONGEST_TTL_MS`, in whole seconds or minutes; as a pattern, so that OpenAPI says all of it."""


class TokenRequest(BaseModel):
    """Whose token, and for how long."""

    customer_id: str = Field(min_length=1, max_length=MAX_ID_BYTES)
    ttl: str = Field("1h", pattern=_TTL, examples=["15m"], description="A duration from 1s to 1h.")

    @property
    def ttl_ms(self) -> int:
        """How long, in milliseconds."""
        return parse_duration(self.ttl)


class TokenAnswer(BaseModel):
    """A token: a Bearer token, or `?token=`."""

    token: str
    customer_id: str
    expires_at: str = Field(description="When it ends; RFC 3339.")


def token_asked(body: bytes) -> TokenRequest:
    """Return what a body asks for.

    Raises `HttpError` (400) for what is no JSON object, and `RequestValidationError` for what is wrong inside.
    """
    try:
        return TokenRequest.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        for fault in faults:
            if not fault["loc"]:
                code = "not_json" if fault["type"] == "json_invalid" else "not_object"
                raise HttpError(400, code, f'{fault["msg"]}; send {{"customer_id": "c42", "ttl": "15m"}}') from error
            if fault["loc"] == ("ttl",):
                fault["msg"] = f"a token lasts from 1s to {format_duration(LONGEST_TTL_MS)}; write 90s, 15m or 1h"
        raise RequestValidationError(faults) from error
