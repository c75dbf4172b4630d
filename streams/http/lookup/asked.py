"""The body of a lookup of many, read by hand: bounded, and with every fault named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from streams.http.errors import HttpError
from streams.http.lookup.answers import LookupRequest

if TYPE_CHECKING:
    from collections.abc import Sequence


def ids_in(body: bytes) -> Sequence[str]:
    """Return the ids that a body asks for.

    Raises `HttpError` (400) for what is no JSON object, and `RequestValidationError` for what is wrong inside.
    """
    try:
        return LookupRequest.model_validate_json(body).ids
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        for fault in faults:
            if not fault["loc"]:
                code = "not_json" if fault["type"] == "json_invalid" else "not_object"
                raise HttpError(400, code, f'{fault["msg"]}; send {{"ids": ["c42", …]}}') from error
        raise RequestValidationError(faults) from error
