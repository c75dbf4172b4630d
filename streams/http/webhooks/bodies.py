"""The bodies of the routes, read by hand: bounded, and with every fault named."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from streams.http.errors import HttpError

if TYPE_CHECKING:
    from streams.http.webhooks.asked import UrlRules

M = TypeVar("M", bound=BaseModel)


def parsed(model: type[M], body: bytes, rules: UrlRules) -> M:
    """Return what a body asks for; one of no bytes asks for nothing in particular.

    Raises `HttpError` (400) for what is no JSON object, and `RequestValidationError` for what is wrong inside.
    """
    try:
        return model.model_validate_json(body or b"{}", context=rules)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        for fault in faults:
            if fault["type"] in {"json_invalid", "model_type"} and not fault["loc"]:
                code = "not_json" if fault["type"] == "json_invalid" else "not_object"
                raise HttpError(400, code, f'{fault["msg"]}; send {{"url": "https://…", …}}') from error
        raise RequestValidationError(faults) from error
