"""What OpenAPI says of lookup's routes, whose answers are written by hand."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from streams.http.errors import described
from streams.http.security import AUTHORIZED


def answering(answer: type, *statuses: int, **extra: Any) -> dict[str, Any]:
    """Return the options of a route that answers so, or with one of these errors; `extra` is OpenAPI's own."""
    return {
        "response_model": None,
        "response_class": Response,
        "responses": {200: {"model": answer}, **described(*statuses)},
        "openapi_extra": {**AUTHORIZED, **extra},
    }
