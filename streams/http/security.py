"""What OpenAPI says of keys, and of the errors that FastAPI would describe in its own shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

AUTHORIZED: dict[str, Any] = {"security": [{"basic": []}, {"bearer": []}]}
"""For a route's `openapi_extra`."""

AUTHORIZED_OR_TOKEN: dict[str, Any] = {"security": [*AUTHORIZED["security"], {"token": []}]}
"""The same, of a route that a customer's token opens, too."""

_SCHEMES = {
    "basic": {"type": "http", "scheme": "basic", "description": "The key as user name, with an empty password."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The key, or a token."},
    "token": {"type": "apiKey", "in": "query", "name": "token", "description": "A token, of `POST /v1/tokens`."},
}
_THEIRS = ("HTTPValidationError", "ValidationError")


def describe_keys_and_errors(app: FastAPI) -> None:
    """Have the app's OpenAPI name the ways to send a key, and 422 in the flat shape that it has here."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = make()
            components = document.setdefault("components", {})
            components["securitySchemes"] = _SCHEMES
            for name in _THEIRS:
                components.get("schemas", {}).pop(name, None)
            for operations in document["paths"].values():
                for operation in operations.values():
                    _flatten(operation["responses"])
        return make()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _flatten(responses: dict[str, Any]) -> None:
    schema = responses.get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if schema.get("$ref", "").endswith(_THEIRS[0]):
        schema["$ref"] = "#/components/schemas/ErrorAnswer"
        responses["422"]["description"] = "Unprocessable Content"
