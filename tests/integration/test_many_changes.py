"""Chunks, sweeps and changeovers that make very many changes: several commits, each published before the next."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from rules.errors import ServiceError
from rules.load import load_text
from state.memory import MemoryStore
from tests.integration.pipeline import RECENT, SEEN, Pipeline, make_pipeline, track, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from state.store import Commit
    from tests.integration.conftest import Broker

    Make = Callable[..., Awaitable[Pipeline]]

SEGMENTS = 1_000
WIDE = load_text("segments:\n" + "\n".join(f"- {{key: s{n}, when: {{did: {{event: '*'}}}}}}" for n in range(SEGMENTS)))
"""A customer enters all of them with their first event: 8 MB of changes."""


@pytest.fixture
def make(broker: Broker, topic_prefix: str, app_id: str) -> Make:
    return lambda **options: make_pipeline(broker, topic_prefix, app_id, **options)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a batch be full with its first change."""
    monkeypatch.setattr("streams.batch.MOST_BYTES", 0)


def customers(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


class Counts(MemoryStore):
    """Keeps how many changes each commit had."""

    def __init__(self) -> None:
        super().__init__()
        self.outboxes: list[int] = []

    async def commit(self, commit: Commit) -> None:
        await super().commit(commit)
        self.outboxes.append(len(commit.outbox))


async def test_a_chunk_of_a_hundred_megabytes_of_changes(make: Make) -> None:
    """No more time than half a second for 1 MB: in one piece it would take far longer, and never end."""
    store = Counts()
    pipeline = await make(partitions=1, rules=WIDE, store=store, publish_deadline=500)
    ends = await pipeline.send((c, track(c, 1)) for c in customers(12))
    async with pipeline.worker() as worker:
        await worker.applied(ends)
        assert worker.counters.takeovers == 1
        assert worker.counters.events == worker.counters.applied == 12
    assert max(store.outboxes) == SEGMENTS
    records = await pipeline.read(pipeline.topics.changes)
    assert Counter(record.key for record in records) == {c.encode(): SEGMENTS for c in customers(12)}


class LosesReplies(MemoryStore):
    """Applies every fifth commit and then says that it cannot be reached."""

    commits = 0

    async def commit(self, commit: Commit) -> None:
        await super().commit(commit)
        self.commits += 1
        if self.commits % 5 == 0:
            message = "the reply was lost"
            raise ServiceError(message)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("store", [MemoryStore, LosesReplies])
async def test_a_chunk_in_many_commits_counts_each_record_once(make: Make, store: type[MemoryStore]) -> None:
    pipeline = await make(partitions=1, rules=SEEN, store=store())
    events = []
    for number, customer in enumerate(customers(20)):
        events += [(customer, track(customer, 1)), (customer, track(customer, 1))]
        events += [(customer, b"{")] * (number % 3)
    ends = await pipeline.send(events)
    async with pipeline.worker() as worker:
        await worker.applied(ends)
        counters = worker.counters
        if store is MemoryStore:
            assert (counters.applied, counters.duplicates, counters.rejected) == (20, 20, {"not_json": 19})
            assert counters.events == len(events)
            assert counters.commits >= 20
        else:
            assert counters.takeovers > 3
    assert Counter(c["customer_id"] for c in await pipeline.changes()) == dict.fromkeys(customers(20), 1)
    rejected = Counter(int(headers["offset"]) for _, _, headers in await pipeline.rejected())
    assert sorted(rejected) == [offset for offset, (_, value) in enumerate(events) if value == b"{"]


@pytest.mark.usefixtures("tiny")
async def test_a_chunk_is_left_in_the_midst_when_its_partition_goes(make: Make) -> None:
    pipeline = await make(partitions=1, store=Counts())
    ends = await pipeline.send((c, track(c, 1)) for c in customers(30))
    store: Any = pipeline.store
    async with pipeline.worker():
        await until(lambda: len(store.outboxes) > 2)
    assert 0 < (await pipeline.store.head(0)).offset < 30
    assert await pipeline.store.outbox(0) == []
    async with pipeline.worker() as worker:
        await worker.applied(ends)
    assert Counter(c["customer_id"] for c in await pipeline.changes()) == dict.fromkeys(customers(30), 1)


@pytest.mark.usefixtures("tiny")
async def test_a_sweep_in_many_commits(make: Make) -> None:
    pipeline = await make(partitions=1, rules=RECENT, grace=100)
    async with pipeline.worker() as worker:
        await pipeline.send((c, track(c, 1)) for c in customers(20))
        await until(lambda: worker.counters.changes["recent", "exited"] == 20)
        assert worker.counters.commits >= 40
    assert await pipeline.store.sizes(range(1)) == {}


@pytest.mark.usefixtures("tiny")
async def test_a_changeover_in_many_commits(make: Make) -> None:
    pipeline = await make(partitions=1, rules=SEEN, rules_poll=200)
    newer = load_text("segments: [{key: other, when: {trait: {plan: {exists: false}}}}]")
    async with pipeline.worker() as worker:
        await worker.applied(await pipeline.send((c, track(c, 1)) for c in customers(20)))
        await pipeline.store.activate(newer.version, newer.source)
        await until(lambda: worker.counters.changes["other", "entered"] == 20)
    assert (await pipeline.store.head(0)).passed == 2
    assert await pipeline.store.sizes(range(1)) == {"other": 20}
