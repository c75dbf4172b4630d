"""Whether a worker lives and is ready, and what is to be done in its partitions: what probes and metrics ask."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from aiokafka.errors import KafkaError

from rules.errors import SegueError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from state.store import Backlog
    from streams.worker import Worker

ANSWER_S = 2.0
"""A service that has not answered by then counts as away."""

_AT_ONCE = 8


class Fault(NamedTuple):
    """One thing that is wrong: what it is about, a stable word, and what to do."""

    path: str
    code: str
    message: str


def faults_of_life(worker: Worker) -> Sequence[Fault]:
    """Return why the process had better be ended, which it mostly does by itself; asking shows that its loop turns."""
    if worker.failure is not None:
        return [Fault("worker", "failed", str(worker.failure))]
    stall = worker.watchdog.stalled()
    return [] if stall is None else [Fault(f"partitions[{stall.partition}]", "stalled", str(stall))]


def faults_of_work(worker: Worker) -> Sequence[Fault]:
    """Return what keeps it from working on its share: partitions that it is about to take over, or cannot."""
    if not worker.joined:
        return [Fault("group", "joining", "the consumer group is giving out its partitions")]
    return [
        Fault(f"partitions[{partition}]", "not_held", one.last_failure or "it is being taken over")
        for partition, one in sorted(worker.holds.items())
        if one.tenure is None
    ]


async def services_away(worker: Worker) -> Mapping[str, str]:
    """Return the services that do not answer, each with what was said."""
    said = await asyncio.gather(_broker(worker), _redis(worker))
    return {name: text for name, text in zip(("broker", "redis"), said, strict=True) if text}


async def backlogs(worker: Worker) -> Mapping[int, Backlog]:
    """Return what could have been done by now in each partition in hand; nothing where the store does not answer."""
    settings, partitions = worker.parts.settings, sorted(worker.partitions)
    before_ms = worker.parts.now_ms() - settings.grace - settings.clock_skew
    found: dict[int, Backlog] = {}
    try:
        async with asyncio.timeout(ANSWER_S):
            for at in range(0, len(partitions), _AT_ONCE):
                some = partitions[at : at + _AT_ONCE]
                asked = [worker.parts.store.backlog(partition, before_ms) for partition in some]
                found |= zip(some, await asyncio.gather(*asked), strict=True)
    except (TimeoutError, SegueError):
        return {}
    return found


async def _broker(worker: Worker) -> str:
    address = worker.parts.settings.broker
    try:
        async with asyncio.timeout(ANSWER_S):
            await worker.parts.producer.client.fetch_all_metadata()
    except (TimeoutError, KafkaError) as error:
        return f"{address}: the broker does not answer: {error!r}"
    return ""


async def _redis(worker: Worker) -> str:
    try:
        async with asyncio.timeout(ANSWER_S):
            await worker.parts.store.active_ruleset()
    except TimeoutError:
        return f"Redis does not answer within {ANSWER_S:g} s"
    except SegueError as error:
        return str(error)
    return ""
