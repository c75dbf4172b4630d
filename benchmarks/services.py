"""The services that a benchmark runs on, and the CPU time that processes take."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.load import PARTITIONS
from streams.embedded import EmbeddedBroker
from tests.integration.kafka import ApacheKafka

if TYPE_CHECKING:
    from collections.abc import Sequence

BrokerKind = Literal["embedded", "kafka"]
Broker = EmbeddedBroker | ApacheKafka

TOPICS = {"customer-events": PARTITIONS, "segment-changes": PARTITIONS, "customer-events-rejected": 1}
_SEEN_S = 10.0


class BenchedKafka(ApacheKafka):
    """Apache Kafka as it is run, its bytecode compiled as well as can be."""

    java_options = ApacheKafka.heap


class PatientKafka(BenchedKafka):
    """One in which a new group waits for more members, as is usual, so that all of them begin at once."""

    def settings(self) -> dict[str, str]:
        """Return what stands in `server.properties`."""
        return {**super().settings(), "group.initial.rebalance.delay.ms": "1500"}


def make_broker(kind: BrokerKind, *, patient: bool = False) -> Broker:
    """Return a broker that is not started; entered as a context it runs. `patient`: see `PatientKafka`."""
    if kind == "embedded":
        return EmbeddedBroker()  # its groups wait anyway
    return PatientKafka() if patient else BenchedKafka()


async def create_topics(broker: str, prefix: str) -> list[str]:
    """Create fresh topics that keep the producers' times, and wait until they are there; returns their names."""
    names = [prefix + name for name in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(prefix + name, count, 1) for name, count in TOPICS.items()])
        async with asyncio.timeout(_SEEN_S):
            while not set(names) <= set(await admin.list_topics()):  # noqa: ASYNC110 - the broker has no event
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    return names


async def delete_topics(broker: str, names: Sequence[str]) -> None:
    """Remove topics: the embedded broker keeps its log in memory."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


async def topics_of(broker: str, part: str) -> list[str]:
    """Return the names of the topics that have this part, changelogs that a program made for itself too."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        return [name for name in await admin.list_topics() if part in name]
    finally:
        await admin.close()


def cpu_s(pid: int) -> float:
    """Return the CPU time a process and its ended children have taken, user and system; 0 where nothing tells (macOS).

    The clock of `/proc` ticks every 10 ms.
    """
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
