"""Chunks out of polls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.transport import ChunkClient, Wanted


def test_no_active_partition_is_not_all_partitions() -> None:
    """`fetched_records` takes a false `partitions` for all, and then raises the errors of those nobody reads."""
    active: set[TP] = set()
    wanted = Wanted(active)
    assert wanted
    assert TP("t", 0) not in wanted
    active.add(TP("t", 0))
    assert TP("t", 0) in wanted


class Polls(ChunkClient):
    """A client whose polls are given."""

    def __init__(self, chunk_size: int, *, unbroken: bool = False) -> None:
        self.app: Any = SimpleNamespace(chunk_size=chunk_size, unbroken=unbroken)
        self._reading = {}
        self.sought: list[int] = []
        self._consumer: Any = SimpleNamespace(seek=lambda _, offset: self.sought.append(offset))


def test_a_poll_becomes_numbered_chunks_of_the_tenure_that_reads() -> None:
    polls, place = Polls(2), TP("t", 3)
    records: list[Any] = [SimpleNamespace(offset=offset) for offset in (5, 6, 9)]
    polls.read(place, 5, tenure=7)
    chunks = polls.chunks({place: records, TP("t", 4): records})
    assert set(chunks) == {place}
    assert [(chunk.partition, chunk.tenure, chunk.number) for chunk in chunks[place]] == [(3, 7, 0), (3, 7, 1)]
    assert [chunk.next_offset for chunk in chunks[place]] == [7, 10]
    assert [chunk.number for chunk in polls.chunks({place: records})[place]] == [2, 3]


def test_another_tenure_begins_to_count_anew() -> None:
    polls, place = Polls(10), TP("t", 3)
    records: list[Any] = [SimpleNamespace(offset=5)]
    for tenure in (1, 2):
        polls.read(place, 5, tenure=tenure)
        [chunk] = polls.chunks({place: records})[place]
        assert (chunk.tenure, chunk.number) == (tenure, 0)


def test_an_empty_poll_is_no_chunk() -> None:
    polls, place = Polls(10), TP("t", 3)
    polls.read(place, 5, tenure=1)
    assert polls.chunks({place: []}) == {}
    assert polls.chunks({}) == {}


def test_what_a_poll_passed_over_is_read_again() -> None:
    polls, place = Polls(10, unbroken=True), TP("t", 3)
    polls.read(place, 5, tenure=1)

    def poll(*offsets: int) -> list[tuple[int, list[int]]]:
        records: list[Any] = [SimpleNamespace(offset=offset) for offset in offsets]
        chunks = polls.chunks({place: records})[place]
        return [(chunk.number, [record.offset for record in chunk.records]) for chunk in chunks]

    assert poll(5, 6, 8) == [(0, [5, 6])]
    assert poll(8, 9) == []
    assert poll(7, 8, 9) == [(1, [7, 8, 9])]
    assert polls.sought == [5, 7, 7]
