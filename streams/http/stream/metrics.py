"""What is measured of the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


class StreamMetrics:
    """The measures of one server's stream."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Begin at nothing."""
        self.clients = Gauge("segue_stream_clients", "Clients that listen.", registry=registry)
        self.sent = Counter("segue_stream_events", "Events sent, to all clients together.", registry=registry)
        self.ended = Counter(
            "segue_stream_ended",
            "Streams that ended: gone (by the client), slow (cut off), stopping, expired, revoked, turn, reset.",
            ("reason",),
            registry=registry,
        )
        self.refused = Counter("segue_stream_refused", "Clients refused, by code.", ("code",), registry=registry)
        self.resumed = Counter(
            "segue_stream_resumed",
            "Clients that came back with an id: had from memory, or caught up from Kafka.",
            ("source",),
            registry=registry,
        )
        self.gaps = Counter("segue_stream_gaps", "Gaps told to clients that came back, and to all.", registry=registry)
