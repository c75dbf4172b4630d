"""What all tenures of one worker share; put together once, by `streams.app.build_app`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.counters import Counters
from streams.signs import Signs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka import AIOKafkaProducer

    from state.store import Store
    from streams.clocks import Clock
    from streams.definitions import Definitions
    from streams.fence import Fence
    from streams.group import Group
    from streams.poison import PoisonLimit
    from streams.rejected import RejectedTopic
    from streams.samples_topic import SamplesTopic
    from streams.settings import Settings
    from streams.snapshots import SnapshotFollower
    from streams.tail import TailReader
    from streams.topics import Topics


def wall_ms() -> int:
    """Return the local time in UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Parts:
    """The pieces a tenure works with.

    `definitions` is the active ruleset; a tenure keeps the one it began with. `from_scratch` lets a partition without
    state begin at its start although the app has been here before; `accept_rollback` lets it go on where the store was
    set back. `now_ms` is the local clock: it bounds producers' times on a broker that keeps them, and guesses when to
    tick; it decides no change.
    """

    settings: Settings
    topics: Topics
    store: Store
    definitions: Definitions
    clock: Clock
    fence: Fence
    tail: TailReader
    group: Group
    rejected: RejectedTopic
    producer: AIOKafkaProducer
    poison: PoisonLimit
    samples: SamplesTopic
    snapshots: SnapshotFollower
    from_scratch: bool = False
    accept_rollback: bool = False
    counters: Counters = field(default_factory=Counters)
    signs: Signs = field(default_factory=Signs)
    now_ms: Callable[[], int] = wall_ms
