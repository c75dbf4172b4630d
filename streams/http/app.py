"""The HTTP app: its layers, its errors, and the routes that need no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from rules.errors import SegueError
from streams.http.direct import Direct
from streams.http.errors import described, flat, make_flat
from streams.http.front import Front
from streams.http.gates import Gates
from streams.http.layers import Cors, TrailingSlash
from streams.http.lookup.quoted import QuotedIds
from streams.http.metrics import CONTENT_TYPE, Measured
from streams.http.once import Once
from streams.http.security import describe_keys_and_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from fastapi import FastAPI
    from fastapi.telemetry import TelemetryConfig

    from streams.http.parts import HttpParts

    Checks = Mapping[str, Callable[[], Awaitable[None]]]

ALLOWED_HEADERS = ("Authorization", "Content-Type", "Content-Encoding", "X-Retry-Count", "Last-Event-ID")
_READY_FOR_S = 1.0
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own would put a URL's query into its spans, and a query may hold a token."""


class Success(BaseModel):
    """All is well."""

    success: bool


def make_app(parts: HttpParts, checks: Checks) -> FastAPI:
    """Return the app without any edge's routes.

    Parameters
    ----------
    checks
        What readiness asks: a service's name -> what raises `SegueError` where it does not answer.
    """
    app = Front(
        parts,
        title="segue",
        summary="Events in, segments out.",
        version="1",
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
        telemetry=_NO_TELEMETRY,
    )
    make_flat(app)
    describe_keys_and_errors(app)
    _add_open_routes(app, parts, Once(lambda: _faults(checks), _READY_FOR_S))
    app.add_middleware(Direct, handlers=parts.direct)
    app.add_middleware(Gates, gates=parts.gates)
    if parts.settings.http_origins:
        app.add_middleware(
            Cors,
            allow_origins=parts.settings.http_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=ALLOWED_HEADERS,
            expose_headers=["Retry-After"],
            max_age=3_600,
        )
    app.add_middleware(Measured, metrics=parts.metrics)
    app.add_middleware(TrailingSlash)
    app.add_middleware(QuotedIds)  # the outermost: an encoded slash at the end is the id's
    return app


def _add_open_routes(app: FastAPI, parts: HttpParts, faults: Once[list[dict[str, str]]]) -> None:
    # load balancers ask with HEAD, too
    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", responses=described(405), tags=["health"])
    async def healthz() -> Success:
        """Whether the process lives."""
        return Success(success=True)

    @app.head("/readyz", include_in_schema=False, response_model=Success)
    @app.get("/readyz", response_model=Success, responses=described(405, 503), tags=["health"])
    async def readyz() -> Response | Success:
        """Whether broker and Redis answer."""
        found = await faults.get()
        if not found:
            return Success(success=True)
        names = ", ".join(fault["path"] for fault in found)
        return flat(503, "not_ready", f"no answer: {names}", headers={"Retry-After": "1"}, errors=found)

    @app.get("/metrics", response_class=PlainTextResponse, responses=described(405), tags=["health"])
    async def metrics() -> Response:
        """Return the measures, in Prometheus's text format."""
        return Response(parts.metrics.text(), media_type=CONTENT_TYPE)


async def _faults(checks: Checks) -> list[dict[str, str]]:
    found = []
    for name, check in checks.items():
        try:
            await check()
        except SegueError as error:
            found.append({"path": name, "code": "away", "message": str(error)})
    return found
