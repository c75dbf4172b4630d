"""What the broker knows of this app's consumer group, asked before a partition is read for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streams.broker_access import client_options
from streams.broker_errors import refused
from streams.consumers import stop_consumer

if TYPE_CHECKING:
    from rules.errors import ServiceError
    from streams.settings import Settings


class Group:
    """Asks with a consumer of its own, which does not join the group."""

    def __init__(self, settings: Settings, group: str, topic: str) -> None:
        """`topic` is the one of events."""
        self._settings = settings
        self._group = group
        self._topic = topic

    async def has_offset(self, partition: int) -> bool:
        """Whether the group ever committed an offset for the partition; raises `ServiceError`."""
        place = TopicPartition(self._topic, partition)
        consumer = AIOKafkaConsumer(**client_options(self._settings), group_id=self._group, enable_auto_commit=False)
        try:
            await consumer.start()
            consumer.assign([place])
            return await consumer.committed(place) is not None
        except KafkaError as error:
            raise self._failed(error) from error
        finally:
            await stop_consumer(consumer)

    async def beginning(self, partition: int) -> int:
        """Return the first offset that the partition still has; raises `ServiceError`."""
        place = TopicPartition(self._topic, partition)
        consumer = AIOKafkaConsumer(**client_options(self._settings))
        try:
            await consumer.start()
            return int((await consumer.beginning_offsets([place]))[place])
        except KafkaError as error:
            raise self._failed(error) from error
        finally:
            await stop_consumer(consumer)

    def _failed(self, error: KafkaError) -> ServiceError:
        what = f"{self._topic}: cannot ask the broker for offsets of group {self._group}"
        return refused(self._settings, what, error)
