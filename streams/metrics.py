"""A worker's measures as Prometheus reads them: made of plain counters when it asks, and at no other time.

Labels are few and bounded: partitions in hand, reasons, bounds. No segment, no customer and no key becomes one.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from streams.poison import INTERNAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from state.store import Backlog
    from streams.counters import Counters
    from streams.timing import Timing
    from streams.worker import Worker

COUNTERS = {
    "applied": ("segue_events_applied", "Events applied and committed."),
    "duplicates": ("segue_events_duplicate", "Events passed over: the customer's last 256 ids have theirs."),
    "customers": ("segue_customers_new", "Customers seen for the first time."),
    "ticks": ("segue_ticks", "Records read back that only tell the broker's time."),
    "poison_timers": ("segue_poison_timers", "Timers that could not be evaluated; the log has the traces."),
    "takeovers": ("segue_takeovers", "Partitions taken over."),
    "fenced": ("segue_fenced", "Times another worker, or a newer ruleset, had taken a partition from this one."),
    "outages": ("segue_outages", "Times a partition started over because broker or Redis was away or refused."),
    "rebalances": ("segue_rebalances", "Times the consumer group gave this worker its partitions."),
    "cache_hits": ("segue_cache_hits", "Profiles asked for that were in memory."),
    "cache_misses": ("segue_cache_misses", "Profiles asked for that had to be read from Redis, or were new."),
    "samples_released": ("segue_samples_released", "Samples sent to be learned."),
    "samples_learned": ("segue_samples_learned", "Samples learned here."),
    "samples_skipped": ("segue_samples_skipped", "Samples passed over: repeats, other definitions', none at all."),
    "snapshots_written": ("segue_snapshots_written", "Versions of models written."),
    "snapshots_ignored": ("segue_snapshots_ignored", "Versions of models read that are not put in force."),
    "drifts": ("segue_model_drifts", "Drifts that the models noticed."),
    "training_failures": ("segue_training_failures", "Times learning failed and began again."),
}
"""Attribute of `Counters` -> (name, without the `_total` that Prometheus's counters end with, and help)."""

TIMINGS = {
    "commit_s": ("segue_commit_seconds", "Commits to Redis, until they cannot be lost."),
    "publish_s": ("segue_publish_seconds", "One commit's changes to the topic, until the broker has all of them."),
    "loop_late_s": ("segue_event_loop_late_seconds", "How late the event loop got to what it does each second."),
}

Told = tuple["Mapping[str, str]", "Mapping[int, Backlog]"]
"""What was asked for a scrape: the services that are away, and the backlog of each partition."""


class WorkerCollector(Collector):
    """Reads one worker. `told` is renewed before each scrape: whoever collects cannot wait for a service."""

    def __init__(self, worker: Worker) -> None:
        """Read nothing yet."""
        self._worker = worker
        self.told: Told = ({}, {})

    def describe(self) -> list[Metric]:
        """Return nothing: what is there depends on what the worker does."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every measure."""
        away, backlogs = self.told
        counters = self._worker.counters
        yield from _counted(counters)
        yield from self._state(away)
        yield from self._partitions()
        yield from _waiting(backlogs, self._due_ms())

    def _state(self, away: Mapping[str, str]) -> Iterator[Metric]:
        worker = self._worker
        active = worker.parts.definitions.active
        yield InfoMetricFamily("segue_build", "The version that runs.", {"version": _version()})
        yield GaugeMetricFamily("segue_ruleset_number", "The number of the ruleset in force.", active.number)
        capped = CounterMetricFamily(
            "segue_capped_features", "Times a feature reached a documented bound, under this ruleset.", labels=["bound"]
        )
        for bound, count in active.engine.caps.items():
            capped.add_metric([bound], count)
        yield capped
        up = GaugeMetricFamily("segue_service_up", "Whether a service answers (1) or not (0).", labels=["service"])
        for service in ("broker", "redis"):
            up.add_metric([service], service not in away)
        yield up
        partitions = worker.parts.settings.partitions
        yield GaugeMetricFamily("segue_partitions", "Partitions of the app, over all workers.", partitions)
        yield GaugeMetricFamily("segue_joined", "Whether the consumer group gave it its share.", worker.joined)
        yield GaugeMetricFamily("segue_samples_unlearned", "Samples not learned yet, at the one.", worker.unlearned)

    def _partitions(self) -> Iterator[Metric]:
        held = _by_partition("segue_partition_held", "Whether the worker works on a partition that it was given.")
        offset = _by_partition("segue_applied_offset", "The offset up to which all is applied and published.")
        behind = _by_partition("segue_lag_events", "Records that are not applied yet.")
        age = _by_partition("segue_lag_seconds", "How long ago the broker got the first record not applied yet.")
        still = _by_partition(
            "segue_stalled_seconds", "How long nothing was done although it could be; the worker ends at its limit."
        )
        now_ms, now_s = self._worker.parts.now_ms(), self._worker.watchdog.now_s()
        for partition, hold in sorted(self._worker.holds.items()):
            label, tenure = [str(partition)], hold.tenure
            held.add_metric(label, tenure is not None)
            if tenure is not None:
                offset.add_metric(label, tenure.applied)
            one = self._worker.watchdog.watched.get(partition)
            if one is None or one.hold is not hold:
                continue  # it is looked at within a second
            if one.lag.events is not None:
                behind.add_metric(label, one.lag.events)
                age.add_metric(label, one.lag.seconds(now_ms))
            still.add_metric(label, one.watch.still_s(now_s))
        yield from (held, offset, behind, age, still)

    def _due_ms(self) -> int:
        parts = self._worker.parts
        return parts.now_ms() - parts.settings.grace - parts.settings.clock_skew


def registry_of(collector: WorkerCollector) -> CollectorRegistry:
    """Return a registry with the worker's measures and the process's."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(collector)
    return registry


def _counted(counters: Counters) -> Iterator[Metric]:
    for attribute, (name, text) in COUNTERS.items():
        yield CounterMetricFamily(name, text, getattr(counters, attribute))
    rejected = CounterMetricFamily("segue_events_rejected", "Records rejected, by reason.", labels=["reason"])
    # what never was there before does not increase, and this one is to wake somebody up
    for reason, count in ({INTERNAL: 0} | counters.rejected).items():
        rejected.add_metric([reason], count)
    yield rejected
    changes = CounterMetricFamily("segue_changes", "Segment changes committed.", labels=["change"])
    for wanted in ("entered", "exited"):
        changes.add_metric([wanted], sum(n for (_, change), n in counters.changes.items() if change == wanted))
    yield changes
    for attribute, (name, text) in TIMINGS.items():
        timing: Timing = getattr(counters, attribute)
        yield HistogramMetricFamily(name, text, timing.buckets(), timing.total_s)


def _waiting(backlogs: Mapping[int, Backlog], due_ms: int) -> Iterator[Metric]:
    due = _by_partition("segue_due_timers", "Timers that could have fired by now and have not.")
    late = _by_partition("segue_due_lateness_seconds", "How long ago the first of them could have fired.")
    outbox = _by_partition(
        "segue_outbox_entries", "Changes and samples committed and not trimmed: those of the last commit, mostly."
    )
    for partition, backlog in backlogs.items():
        label, since_ms = [str(partition)], backlog.due_since_ms
        due.add_metric(label, backlog.due)
        late.add_metric(label, 0.0 if since_ms is None else max(0, due_ms - since_ms) / 1000)
        outbox.add_metric(label, backlog.outbox)
    yield from (due, late, outbox)


def _by_partition(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=["partition"])


def _version() -> str:
    try:
        return version("segue")
    except PackageNotFoundError:  # run from its sources
        return "unknown"
