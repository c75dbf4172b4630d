"""A worker's own port: `/healthz`, `/readyz` and `/metrics`.

Plain ASGI, in the worker's event loop: a loop that stands still answers nobody, and that is what a probe is to see.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import orjson
from prometheus_client import generate_latest
from starlette.responses import Response

from streams.health import Fault, backlogs, faults_of_life, faults_of_work, services_away
from streams.http.errors import JSON, flat
from streams.http.listen import Address, listening
from streams.http.metrics import CONTENT_TYPE
from streams.http.once import Once
from streams.metrics import WorkerCollector, registry_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import Receive, Scope, Send

    from streams.metrics import Told
    from streams.settings import Settings
    from streams.worker import Worker

log = logging.getLogger(__name__)

CONNECTIONS = 64
_FRESH_S = 1.0
_SUCCESS = orjson.dumps({"success": True})


class Probes:
    """Answers for one worker: until it has `begun` it lives, and is not ready."""

    def __init__(self) -> None:
        """Begin without a worker."""
        self._worker: Worker | None = None
        self._told: Once[Told] = Once(self._ask, _FRESH_S)
        self._routes = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}

    def begun(self, worker: Worker) -> None:
        """Answer for this worker from now on."""
        self._worker = worker
        self._collector = WorkerCollector(worker)
        self._registry = registry_of(self._collector)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        find = self._routes.get(scope["path"].rstrip("/"))
        if find is None:
            answer = flat(404, "not_found", f"there is no such route; there are {', '.join(self._routes)}")
        elif scope["method"] not in ("GET", "HEAD"):
            answer = flat(405, "method_not_allowed", f"this route does not take {scope['method']}", headers=_ALLOW)
        else:
            answer = await find()
        await answer(scope, receive, send)

    async def _healthz(self) -> Response:
        found = [] if self._worker is None else faults_of_life(self._worker)
        return _answer("not_alive", found)

    async def _readyz(self) -> Response:
        if self._worker is None:
            return _answer("not_ready", [Fault("worker", "starting", "it connects to broker and Redis")])
        away, _ = await self._told.get()
        found = [Fault(service, "away", text) for service, text in away.items()]
        return _answer("not_ready", [*faults_of_life(self._worker), *found, *faults_of_work(self._worker)])

    async def _metrics(self) -> Response:
        if self._worker is None:
            return _answer("not_ready", [Fault("worker", "starting", "it connects to broker and Redis")])
        self._collector.told = await self._told.get()
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE)

    async def _ask(self) -> Told:
        if self._worker is None:
            return {}, {}
        away = await services_away(self._worker)
        return away, ({} if "redis" in away else await backlogs(self._worker))


_ALLOW = {"Allow": "GET, HEAD"}


def _answer(code: str, found: Sequence[Fault]) -> Response:
    if not found:
        return Response(_SUCCESS, media_type=JSON)
    names = ", ".join(fault.path for fault in found)
    errors = [fault._asdict() for fault in found]
    return flat(503, code, f"{found[0].message} ({names})", headers={"Retry-After": "1"}, errors=errors)


@contextlib.asynccontextmanager
async def probing(settings: Settings) -> AsyncIterator[tuple[Probes, str]]:
    """Listen on the worker's port for as long as the context lasts; yields what answers, and the URL.

    Raises
    ------
    ServiceError
        if the address cannot be had.
    """
    probes = Probes()
    named = "SEGUE_WORKER_HOST and SEGUE_WORKER_PORT"
    at = Address(settings.worker_host, settings.worker_port or 0, named, CONNECTIONS)
    async with listening(probes, settings, at) as place:
        log.info("health and metrics are at %s", place)
        yield probes, place
