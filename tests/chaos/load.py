"""The load: a crowd's events onto the topic at a steady rate, each acknowledged before its customer's next."""

from __future__ import annotations

import asyncio
import contextlib
import time
from random import Random
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.chaos.crowd import Crowd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.chaos.crowd import Sending

LANES = 8
A_LANE = 40
_AWAY_S = 0.2


class Load:
    """Sends from several lanes, each with customers of its own.

    On a broker that gives no times of its own a record's time is its producer's. So each is stamped just before it is
    sent and its acknowledgement awaited: then no time on the log goes back by more than the longest send took.
    """

    def __init__(self, broker: str, topic: str, partitions: int, *, seed: str, rate: float) -> None:
        """Take a rate in events a second over all lanes."""
        self._broker = broker
        self._topic = topic
        self.rate = rate
        self._going_on = True
        self._random = [Random(f"{seed} lane {lane}") for lane in range(LANES)]
        self._crowds = [
            Crowd(random, [f"c{lane}-{number}" for number in range(A_LANE)], partitions)
            for lane, random in enumerate(self._random)
        ]
        self.sent = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send for as long as the context lasts."""
        producer = AIOKafkaProducer(bootstrap_servers=self._broker, acks="all", linger_ms=0, max_request_size=2_000_000)
        async with producer:
            await producer.partitions_for(self._topic)  # else the first send would wait for it with its stamp on
            async with asyncio.TaskGroup() as lanes:
                for lane in range(LANES):
                    lanes.create_task(self._lane(producer, lane))
                try:
                    yield
                finally:
                    self._going_on = False

    async def _lane(self, producer: AIOKafkaProducer, lane: int) -> None:
        random, crowd = self._random[lane], self._crowds[lane]
        at_s = time.monotonic()
        while self._going_on:
            await self._send(producer, crowd.next(_now_ms()))
            at_s = max(at_s + random.expovariate(self.rate / LANES), time.monotonic() - 1)
            await asyncio.sleep(max(0.0, at_s - time.monotonic()))

    async def _send(self, producer: AIOKafkaProducer, sending: Sending) -> None:
        """Send until it is acknowledged: while the broker is away a record may be sent, and stand there, twice."""
        while True:
            try:
                await producer.send_and_wait(
                    self._topic, sending.value, key=sending.key, partition=sending.partition, timestamp_ms=_now_ms()
                )
            except KafkaError:
                await asyncio.sleep(_AWAY_S)
            else:
                self.sent += 1
                return


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
