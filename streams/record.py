"""One record of a topic, as small as what is read of it: some hundred thousand are in memory while a worker catches up.

aiokafka's own is a dataclass of eleven fields, which costs twice as much to make and is one more object for the cycle
collector to look at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.structs import TopicPartition


class Record(Protocol):
    """What is read of a record, by whomever it was made; `timestamp` is in UTC milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class SmallRecord(msgspec.Struct, gc=False):
    """A record with these fields and no others."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


def small_record(tp: TopicPartition, record: Any) -> SmallRecord:
    """Return a record as aiokafka's parser has it (`PartitionRecords._consumer_record` makes its dataclass of it)."""
    return SmallRecord(
        tp.topic,
        tp.partition,
        record.offset,
        record.timestamp,
        record.timestamp_type,
        record.key,
        record.value,
        record.headers,
    )
