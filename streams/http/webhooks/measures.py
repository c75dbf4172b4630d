"""What is measured of webhooks. Endpoints are labels by their ids; no address, customer or payload ever is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import CollectorRegistry

    from streams.http.webhooks.attempt import Outcome

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0)


class WebhookMeasures:
    """The measures of the deliveries of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Begin at nothing."""
        self._registry = registry
        self.attempts = Counter(
            "segue_webhook_attempts",
            "Attempts made, by what came of them: a status's class, 429, 410, or why there was none.",
            ("outcome",),
            registry=registry,
        )
        self.seconds = Histogram(
            "segue_webhook_attempt_seconds", "Time of an attempt.", registry=registry, buckets=_BUCKETS
        )
        self.dead = Counter("segue_webhook_dead", "Deliveries given up.", registry=registry)
        self.past = Counter(
            "segue_webhook_past_retention",
            "Records that an endpoint can get no more: they went past the topic's retention before it read them.",
            registry=registry,
        )

    def attempted(self, outcome: Outcome) -> None:
        """Count an attempt."""
        self.attempts.labels(_name(outcome)).inc()
        self.seconds.observe(outcome.seconds)

    def show(self, standings: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        """Show, when asked: endpoint -> how many deliveries wait, and how many records its reading is behind."""
        self._registry.register(_Standings(standings))


class _Standings:
    def __init__(self, standings: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._standings = standings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        waiting = GaugeMetricFamily(
            "segue_webhook_waiting", "Deliveries that wait in Redis, in this process's partitions.", labels=["endpoint"]
        )
        behind = GaugeMetricFamily(
            "segue_webhook_behind",
            "Records read for other endpoints and not for this one yet, in this process's partitions.",
            labels=["endpoint"],
        )
        for endpoint, (count, records) in self._standings().items():
            waiting.add_metric([endpoint], count)
            behind.add_metric([endpoint], records)
        yield waiting
        yield behind


def _name(outcome: Outcome) -> str:
    if outcome.failure is not None or outcome.status is None:
        return outcome.failure or "broken"
    return str(outcome.status) if outcome.status in {410, 429} else f"{outcome.status // 100}xx"
