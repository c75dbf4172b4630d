"""What Prometheus reads at `/metrics`, and the layer that measures every request.

A route is named by its template: no key and no customer id ever becomes a label.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The measures of one server."""

    def __init__(self) -> None:
        """Begin at nothing, in a registry of its own."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "segue_http_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "segue_http_request_seconds", "Time to an answer.", ("route",), registry=self.registry, buckets=_BUCKETS
        )
        self.events = Counter(
            "segue_ingest_events",
            "Events of requests: taken by the broker, rejected, or taken before (a retry).",
            ("outcome",),
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "segue_ingest_in_flight_bytes", "Bytes of requests that the broker has yet to take.", registry=self.registry
        )
        self.lookup_reads = Counter(
            "segue_lookup_reads",
            "Reads of views and profiles by lookups, where there is a replica for them: from it, or from the store.",
            ("source",),
            registry=self.registry,
        )

        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        known = self._known.get((route, method, status))
        if known is None:
            known = self.requests.labels(route, method, status), self.seconds.labels(route)
            self._known[route, method, status] = known
        count, times = known
        count.inc()
        times.observe(seconds)

    def text(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self.registry)


class Measured:
    """The layer around the app that counts and times requests."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an app."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if route != "other" else "any"
            # an answer without end says itself when it began
            self._metrics.observe(route, method, status, scope.get("answered_s", time.perf_counter()) - begun)
