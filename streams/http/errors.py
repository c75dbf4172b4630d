"""Errors over HTTP: all of them flat, the framework's own included.

`rudder-sdk-python` reads `code` and `message` of every answer that is no 200, and retries for ever where they are not
there.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

JSON = "application/json"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Fault(BaseModel):
    """One thing that is wrong with a request: where, which (a stable word), and what to do."""

    path: str = Field(examples=["batch[17].timestamp"])
    code: str = Field(examples=["bad_timestamp"])
    message: str


class ErrorAnswer(BaseModel):
    """Every error's answer."""

    success: Literal[False]
    code: str = Field(description="A stable word for programs.", examples=["wrong_key"])
    message: str = Field(description="What is wrong and what to do, for people.")
    path: str | None = Field(None, description="Where in the request the first fault is.")
    errors: list[Fault] | None = Field(None, description="Each fault, the first hundred of them.")
    accepted: int | None = Field(None, description="How many items of a batch were taken.")
    rejected: int | None = Field(None, description="How many items of a batch were not.")


class HttpError(Exception):
    """A request that is answered with an error. `more` goes into the answer beside code and message."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        """Keep the parts of the answer."""
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.more = more
        super().__init__(f"{status} {code}: {message}")

    def answer(self, *, closing: bool = False) -> Response:
        """Return the answer; a closing one is the last on its connection, which makes room for another."""
        headers = {**(self.headers or {}), **({"Connection": "close"} if closing else {})}
        return flat(self.status, self.code, self.message, headers=headers, **self.more)


def later(status: int, code: str, message: str, seconds: int = 1) -> HttpError:
    """Return the error of something that passes: the client is to come again after so many seconds (at least 1)."""
    return HttpError(status, code, message, headers={"Retry-After": str(max(1, seconds))})


def flat(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Return a flat error; what is None in `more` is left out."""
    content = {"success": False, "code": code, "message": message}
    content |= {name: value for name, value in more.items() if value is not None}
    return Response(orjson.dumps(content), status, dict(headers or {}), JSON)


def internal() -> Response:
    """Return the answer where nothing was expected to go wrong."""
    return flat(500, "internal", "this is a defect of segue; its log has the trace")


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI is to say of these statuses of a route."""
    return {status: {"model": ErrorAnswer, "description": HTTPStatus(status).phrase} for status in statuses}


def make_flat(app: FastAPI) -> None:
    """Have every error of the app answered flat."""
    app.add_exception_handler(HttpError, _ours)
    app.add_exception_handler(HTTPException, _frameworks)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)  # noqa: S101 - it is registered for no other
    return error.answer()


async def _frameworks(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    status = HTTPStatus(error.status_code)
    messages = {
        HTTPStatus.NOT_FOUND: "there is no such route; /openapi.json lists all",
        HTTPStatus.METHOD_NOT_ALLOWED: f"this route does not take {request.method}; /openapi.json says what it takes",
    }
    message = messages.get(status, str(error.detail))
    headers = {"Allow": _allowed(request)} if status == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return flat(status, status.name.lower(), message, headers=headers)


def _allowed(request: Request) -> str:
    """Return the methods that a path takes: of several routes at one path the framework names the first one's."""
    named: dict[str, Any] = request.app.openapi()["paths"].get(request.scope["path"], {})
    asked = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    # what is documented there, where something is: `/v1/customers/lookup` could be a customer, too; HEAD never is
    return ", ".join(
        method
        for method in _METHODS
        if (method.lower() in named if named and method != "HEAD" else _is_taken(request, {**asked, "method": method}))
    )


def _is_taken(request: Request, asked: dict[str, Any]) -> bool:
    return any(route.matches(asked)[0] is Match.FULL for route in request.app.routes)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for no other
    faults = [
        {"path": path_of(fault["loc"]), "code": fault["type"], "message": fault["msg"]} for fault in error.errors()
    ]
    first = faults[0]
    message = f"{first['path']}: {first['message']}"
    return flat(422, "invalid", message, path=first["path"], errors=faults[:100])


async def _unexpected(_: Request, error: Exception) -> Response:
    del error  # the server logs it with its trace
    return internal()


def path_of(place: Sequence[str | int]) -> str:
    """Return `("body", "batch", 17, "type")` as `batch[17].type`; a query's or a path's parameter stands alone."""
    parts = place[1:] if len(place) > 1 and place[0] in {"body", "query", "path", "header"} else place
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
