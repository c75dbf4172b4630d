"""What a worker has done so far, counted by chunk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from streams.clocks import NEVER_MS
from streams.timing import Timing


@dataclass(slots=True)
class Counters:
    """Counts of one worker since it started; commits only: what a failed chunk did is not in them.

    `events` are records that carry one (not ticks): `events == applied + duplicates + sum(rejected.values())`.
    `customers` are those seen for the first time ever. `changes` counts by (segment name, entered/exited).
    `newest_event_ms` is the newest time of an applied event.

    `fenced` tenures ended because another worker had their partition, `outages` because broker or store were away or
    refused. `rebalances` are those of the consumer group that this worker saw. `cache_hits` and `cache_misses` are
    customers asked for, a chunk or sweep at a time. `commit_s` are commits to the store, `publish_s` publications of
    one commit's changes until the broker had them all, `loop_late_s` how late the event loop got to what it does each
    second.

    Of models: `samples_released` went out to be learned; of what came in, `samples_learned` were, and
    `samples_skipped` were not (a repeat, another definition's, or no sample at all). `snapshots_written` by the worker
    that learns, `snapshots_ignored` by any (no snapshot, another definition's, or older than the one held).
    `training_failures` are those of learning as a whole, which begins again after each.
    """

    events: int = 0
    applied: int = 0
    duplicates: int = 0
    customers: int = 0
    ticks: int = 0
    poison_timers: int = 0
    commits: int = 0
    takeovers: int = 0
    newest_event_ms: int = NEVER_MS
    samples_released: int = 0
    samples_learned: int = 0
    samples_skipped: int = 0
    snapshots_written: int = 0
    snapshots_ignored: int = 0
    drifts: int = 0
    training_failures: int = 0
    fenced: int = 0
    outages: int = 0
    rebalances: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    commit_s: Timing = field(default_factory=Timing)
    publish_s: Timing = field(default_factory=Timing)
    loop_late_s: Timing = field(default_factory=Timing)
    rejected: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[str, str]] = field(default_factory=Counter)
