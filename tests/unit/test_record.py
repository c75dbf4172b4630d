"""Records as small as what is read of them."""

from __future__ import annotations

from typing import Any

import msgspec
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from faust.types import TP

from streams.record import SmallRecord
from streams.transport import Fetched

PLACE = TP("events", 3)


def fetched() -> PartitionRecords:
    """Return two records as the client has fetched them, not yet taken apart."""
    builder: Any = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 16)
    builder.append(0, 1_000, b"c42", b"{}", [("a", b"b")])
    builder.append(1, 2_000, None, b"", [])
    return PartitionRecords(
        TopicPartition(*PLACE), MemoryRecords(bytes(builder.build())), None, 0, None, None, True, READ_COMMITTED
    )


def test_what_is_fetched_becomes_small_records() -> None:
    results, records = Fetched(), fetched()
    results[PLACE] = FetchResult(PLACE, assignment=None, partition_records=records, backoff=0)
    found = list(records)
    assert {type(record) for record in found} == {SmallRecord}
    for small, usual in zip(found, fetched(), strict=True):
        wanted = {name: getattr(usual, name) for name in SmallRecord.__struct_fields__}
        assert msgspec.structs.asdict(small) | {"headers": tuple(small.headers)} == wanted
    assert records.next_fetch_offset == 2


def test_what_was_fetched_before_is_taken_along_and_errors_stay() -> None:
    records, error = fetched(), FetchError(error=ValueError(), backoff=0)
    before = {PLACE: FetchResult(PLACE, assignment=None, partition_records=records, backoff=0), TP("events", 4): error}
    results = Fetched(before)
    assert list(results) == list(before)
    assert results[TP("events", 4)] is error
    assert isinstance(next(records), SmallRecord)
