"""The body that asks for a token, read by hand: bounded, and with every fault named."""

from __future__ import annotations

from typing import Annotated

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema

from rules.durations import PATTERN, format_duration, parse_duration
from state.token_secrets import LONGEST_TTL_MS
from streams.events import MAX_ID_BYTES
from streams.http.errors import HttpError

_SHORTEST_TTL_MS = 1_000


def _bounded(ttl_ms: int) -> int:
    if not _SHORTEST_TTL_MS <= ttl_ms <= LONGEST_TTL_MS:
        message = f"a token lasts from {format_duration(_SHORTEST_TTL_MS)} to {format_duration(LONGEST_TTL_MS)}"
        raise ValueError(message)
    return ttl_ms


def _id(customer: str) -> str:
    if len(customer.encode()) > MAX_ID_BYTES:
        message = f"a customer id has at most {MAX_ID_BYTES} bytes"
        raise ValueError(message)
    return customer


class TokenRequest(BaseModel):
    """Whose token, and for how long: `ttl` is a duration, milliseconds in here."""

    customer_id: Annotated[str, Field(min_length=1, max_length=MAX_ID_BYTES), AfterValidator(_id)]
    ttl: Annotated[
        int,
        BeforeValidator(parse_duration),
        AfterValidator(_bounded),
        WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["15m"]}),
        Field(description="From 1s to 1h; 1h where it is left out."),
    ] = LONGEST_TTL_MS


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
            fault["msg"] = fault["msg"].removeprefix("Value error, ")
        raise RequestValidationError(faults) from error
