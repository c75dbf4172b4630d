"""What an embedded broker's fetch passes over is read again; the holes of Apache Kafka are for good."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from streams.reader import TopicReader
from streams.settings import Settings

PLACE = TopicPartition("t", 0)


class Log:
    """Stands for a consumer: offsets 0 to 4, of which the first fetch passes over 2."""

    def __init__(self, **_: object) -> None:
        self.position = 0
        self._fetches = iter([[0, 1, 3], [2, 3, 4], [4]])

    async def start(self) -> None:
        pass

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [PLACE]

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, 0)

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == PLACE
        self.position = offset

    async def getmany(self, *_: object, **__: object) -> dict[TopicPartition, list[Any]]:
        offsets = [offset for offset in next(self._fetches) if offset >= self.position]
        self.position = offsets[-1] + 1
        return {PLACE: [SimpleNamespace(topic="t", partition=0, offset=offset) for offset in offsets]}


@pytest.mark.parametrize(("ids", "read"), [(False, [[0, 1], [2, 3, 4]]), (True, [[0, 1, 3], [4]])])
async def test_a_hole(monkeypatch: pytest.MonkeyPatch, *, ids: bool, read: list[list[int]]) -> None:
    async def has_producer_ids(_: Settings) -> bool:
        return ids

    monkeypatch.setattr("streams.reader.has_producer_ids", has_producer_ids)

    async def stop_consumer(_: Log) -> None:
        pass

    monkeypatch.setattr("streams.reader.AIOKafkaConsumer", Log)
    monkeypatch.setattr("streams.reader.stop_consumer", stop_consumer)
    async with TopicReader(Settings(allow_create_time=True), "t", partitions=[0]) as reader:
        assert [[record.offset for record in await reader.some()] for _ in read] == read
