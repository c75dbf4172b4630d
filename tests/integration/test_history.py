"""What is kept of the change topic in Redis: exactly once, whatever is repeated, lost or begun anew."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from rules.errors import Fenced, StateError
from state.history import MINUTE_MS, Batch, History, Place, Seen
from state.keys import Keys
from tests.integration.flaky import Fault, FlakyProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from streams.embedded import EmbeddedValkey

pytestmark = pytest.mark.embedded  # no broker has a say in it

DAY_MS = 1_440 * MINUTE_MS
NOON_MS = 1_772_366_400_000
KEPT = 5


@pytest_asyncio.fixture
async def history(valkey: EmbeddedValkey, app_id: str) -> AsyncIterator[History]:
    async with opened(valkey.url, app_id) as running:
        yield running


@contextlib.asynccontextmanager
async def opened(url: str, app_id: str, kept: int = KEPT) -> AsyncIterator[History]:
    history = History(url, app_id, kept=kept, patience_s=10)
    try:
        yield history
    finally:
        await history.close()


def seen(customer: str, number: int, segment: str = "vip", *, emitted_ms: int = NOON_MS) -> Seen:
    """Return the change with this number; even ones enter."""
    return Seen(customer, b'"seq":%d,"segment":"x"}' % number, segment, number % 2 == 0, emitted_ms)


def entries(log: Sequence[Seen], customer: str, kept: int) -> list[bytes]:
    """Return what should be kept: the newest of the log, the newest first."""
    return [change.entry for change in reversed(log) if change.customer == customer][:kept]


async def test_a_batch_is_kept_and_its_repeat_is_refused(history: History) -> None:
    assert await history.place(3) == Place(None, 0)
    assert await history.changes(3, "c1") == []
    batch = Batch(None, 7, NOON_MS, [seen("c1", 1), seen("c2", 2), seen("c1", 3)])
    await history.write(3, batch)
    assert await history.place(3) == Place(7, NOON_MS)
    for again in (batch, batch._replace(before=6), batch._replace(before=8)):
        with pytest.raises(Fenced, match=r"history of partition 3.*stored 7"):
            await history.write(3, again)
    assert await history.changes(3, "c1") == [b'"seq":3,"segment":"x"}', b'"seq":1,"segment":"x"}']
    assert (await history.flows([3])).by_segment == {"vip": (1, 2)}
    assert await history.place(2) == Place(None, 0)


@pytest.mark.parametrize("seed", range(4))
async def test_it_is_the_logs_end_whatever_happens(valkey: EmbeddedValkey, app_id: str, seed: int) -> None:
    """Two readers of one log, restarts, lost replies, lost requests: the history is the newest of the log."""
    draw = random.Random(seed)
    log = [seen(f"c{draw.randrange(6)}", number, draw.choice(["a", "b.x"])) for number in range(300)]
    refused = 0
    async with FlakyProxy(valkey.url) as proxy, opened(proxy.url, app_id) as one, opened(valkey.url, app_id) as two:
        thought: dict[History, int | None] = {one: None, two: None}
        while (stored := (await two.place(0)).offset) != len(log):
            reader = draw.choice([one, two])
            if draw.random() < 0.3:
                thought[reader] = stored
            if reader is one and draw.random() < 0.2:
                proxy.inject(draw.choice([Fault.LOSE_REPLY, Fault.LOSE_REQUEST]), b"EVALSHA")
            before = thought[reader]
            after = min(len(log), (before or 0) + draw.randrange(1, 20))
            try:
                await reader.write(0, Batch(before, after, NOON_MS, log[before or 0 : after]))
                thought[reader] = after
            except Fenced:
                refused += 1
                thought[reader] = (await reader.place(0)).offset
        for number in range(6):
            assert await two.changes(0, f"c{number}") == entries(log, f"c{number}", KEPT)
        counted = (await two.flows([0])).by_segment
    assert refused
    for name in ("a", "b.x"):
        changes = [change.entered for change in log if change.segment == name]
        assert counted[name] == (changes.count(True), changes.count(False))


async def test_a_reply_that_was_lost_counts_once(valkey: EmbeddedValkey, app_id: str) -> None:
    async with FlakyProxy(valkey.url) as proxy, opened(proxy.url, app_id) as history:
        await history.write(0, Batch(None, 1, NOON_MS, [seen("c1", 0)]))
        proxy.inject(Fault.LOSE_REPLY, b"EVALSHA")
        await history.write(0, Batch(1, 2, NOON_MS, [seen("c1", 2)]))
        assert proxy.left == 0
        assert len(await history.changes(0, "c1")) == 2
        assert (await history.flows([0])).by_segment == {"vip": (2, 0)}


async def test_of_two_writers_one_is_refused(history: History) -> None:
    batch = Batch(None, 1, NOON_MS, [seen("c1", 0)])
    outcomes = await asyncio.gather(*(history.write(0, batch) for _ in range(8)), return_exceptions=True)
    assert outcomes.count(None) == 1
    assert all(outcome is None or isinstance(outcome, Fenced) for outcome in outcomes)
    assert len(await history.changes(0, "c1")) == 1


@pytest.mark.parametrize("ahead", [0, 1, 7])
async def test_a_day_is_counted_to_the_minute(history: History, ahead: int) -> None:
    """What is a day old is dropped, whether or not anything comes.

    |c1    |c2                      |read to
    0      1 min      ...           24 h
    """
    await history.write(0, Batch(None, 1, NOON_MS, [seen("c1", 0, emitted_ms=NOON_MS)]))
    await history.write(0, Batch(1, 2, NOON_MS + MINUTE_MS, [seen("c2", 0, emitted_ms=NOON_MS + MINUTE_MS)]))
    assert await history.flows([0]) == ({"vip": (2, 0)}, NOON_MS + MINUTE_MS)
    await history.write(0, Batch(2, 2, NOON_MS + DAY_MS - 1))
    assert (await history.flows([0])).by_segment == {"vip": (2, 0)}
    await history.write(0, Batch(2, 2, NOON_MS + DAY_MS))
    assert await history.flows([0]) == ({"vip": (1, 0)}, NOON_MS + DAY_MS)
    await history.write(0, Batch(2, 2, NOON_MS + DAY_MS + MINUTE_MS + ahead * DAY_MS))
    assert (await history.flows([0])).by_segment == {}


async def test_what_is_old_when_it_is_read_is_not_counted(history: History) -> None:
    await history.write(0, Batch(None, 1, NOON_MS))
    old = [seen("c1", 0, emitted_ms=NOON_MS - DAY_MS), seen("c1", 2, emitted_ms=NOON_MS - DAY_MS + MINUTE_MS)]
    await history.write(0, Batch(1, 3, NOON_MS - DAY_MS, old))
    assert await history.flows([0]) == ({"vip": (1, 0)}, NOON_MS)
    assert len(await history.changes(0, "c1")) == 2


async def test_flows_are_those_of_all_partitions_once_all_were_read(history: History) -> None:
    await history.write(0, Batch(None, 1, NOON_MS, [seen("c1", 0)]))
    assert await history.flows([0, 1]) == ({"vip": (1, 0)}, None)
    await history.write(1, Batch(None, 2, NOON_MS - 5, [seen("c2", 1), seen("c3", 2, "a.b")]))
    assert await history.flows([0, 1]) == ({"vip": (1, 1), "a.b": (1, 0)}, NOON_MS - 5)
    assert await history.flows([]) == ({}, None)


async def test_none_may_be_kept_and_fewer_than_before(valkey: EmbeddedValkey, app_id: str, history: History) -> None:
    log = [seen("c1", number) for number in range(9)]
    await history.write(0, Batch(None, 4, NOON_MS, log[:4]))
    async with opened(valkey.url, app_id, kept=2) as fewer:
        assert await fewer.changes(0, "c1") == entries(log[:4], "c1", 2)
        await fewer.write(0, Batch(4, 5, NOON_MS, log[4:5]))
    assert await history.changes(0, "c1") == entries(log[:5], "c1", 2)
    async with opened(valkey.url, app_id, kept=0) as none:
        await none.write(0, Batch(5, 8, NOON_MS, log[5:8]))
        assert await none.changes(0, "c1") == []
        assert (await none.flows([0])).by_segment == {"vip": (4, 4)}
    assert await history.changes(0, "c1") == entries(log[:5], "c1", 2)


async def test_a_history_that_cannot_be_read_begins_anew(valkey: EmbeddedValkey, app_id: str, history: History) -> None:
    import redis.asyncio  # noqa: PLC0415 - a stranger's client

    await history.write(0, Batch(None, 1, NOON_MS, [seen("c1", 0)]))
    names = Keys(app_id)
    async with redis.asyncio.Redis.from_url(valkey.url) as stranger:
        await stranger.set(names.history_prefix(0) + "c1", b"\x07whatever")
        assert await history.changes(0, "c1") == []
        await history.write(0, Batch(1, 2, NOON_MS, [seen("c1", 1)]))
        assert len(await history.changes(0, "c1")) == 1
        await stranger.hset(names.flows(0)[1], str(NOON_MS // MINUTE_MS), "{broken")
        with pytest.raises(StateError, match="holds no counts"):
            await history.write(0, Batch(2, 3, NOON_MS, [seen("c1", 2)]))
        assert (await history.place(0)).offset == 2
        await stranger.set(names.history(1), "a text")
        with pytest.raises(StateError):
            await history.write(1, Batch(None, 3, NOON_MS))


async def test_thousands_of_customers_in_a_batch(history: History) -> None:
    log = [seen(f"c{number}", number, f"s{number % 3_000}") for number in range(5_000)]
    await history.write(0, Batch(None, 5_000, NOON_MS, log))
    assert await history.changes(0, "c4999") == [log[4_999].entry]
    assert len((await history.flows([0])).by_segment) == 3_000
    await history.write(0, Batch(5_000, 5_000, NOON_MS + 2 * DAY_MS))
    assert (await history.flows([0])).by_segment == {}
