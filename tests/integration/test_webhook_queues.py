"""Queues in Redis do as the ones in memory do, which are their definition; and they refuse who is not the owner."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis

from rules.errors import Fenced
from state.webhooks.queues import Batch, Dead, Delivery, Lane, RedisQueues, Settled
from tests.unit.webhook_memory import MemoryQueues

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from state.webhooks.queues import Queues, Waiting
    from streams.embedded import EmbeddedValkey

pytestmark = pytest.mark.embedded  # no broker has a say in it
LANES = [Lane(3, "ep_1", 1), Lane(3, "ep_2", 4)]


@pytest.fixture
async def queues(valkey: EmbeddedValkey, app_id: str) -> AsyncIterator[RedisQueues]:
    opened = RedisQueues(valkey.url, app_id, patience_s=5)
    yield opened
    await opened.close()


def delivery(customer: str, number: int) -> Delivery:
    return Delivery(f"{customer}-{number}", customer, 1_000, b'{"type":"x"}')


def settled(chance: random.Random, lane: Lane, waiting: Waiting, now_ms: int) -> Settled:
    item = Settled("done", lane, waiting.number, waiting.delivery.customer, last=f'{{"at":{now_ms}}}')
    match chance.choice(["done", "again", "spent"]):
        case "again":
            return item._replace(kind="again", tries=waiting.tries + 1, due_ms=now_ms + chance.randrange(50))
        case "spent":
            dead = Dead(waiting.number, now_ms, waiting.tries + 1, 400, None, "no", waiting.delivery)
            return item._replace(kind="spent", dead=dead)
        case _:
            return item


async def step(queues: Queues, chance: random.Random, epoch: int, now_ms: int, places: dict[Lane, int]) -> list[object]:
    """Do something at random; return all that the queues said of it, and how they stand afterwards."""
    said: list[object] = []
    batches = []
    for lane in LANES:
        before = places.get(lane, 7)
        items = [delivery(chance.choice("abc"), chance.randrange(999)) for _ in range(chance.randrange(5))]
        batches.append(Batch(lane, "offset", str(before), str(before + 5), items, 12))
    added = await queues.enqueue(3, epoch, now_ms, batches)
    said.append(added)
    for batch, result in zip(batches, added, strict=True):
        if result.numbers is not None:
            places[batch.lane] = int(batch.after)
    for lane in LANES:
        due = await queues.due(lane, now_ms, 3, [])
        said.append(due)
        held = [waiting.number for waiting in due.found[:1]]
        said.append(await queues.due(lane, now_ms, 2, held))
        items_settled = [settled(chance, lane, waiting, now_ms) for waiting in due.found]
        said.append(await queues.settle(3, epoch, now_ms, items_settled))
    said.append(await queues.standing(LANES))
    return said


@pytest.mark.parametrize("seed", range(8))
async def test_they_do_as_their_definition_says(queues: RedisQueues, seed: int) -> None:
    memory = MemoryQueues()
    places: tuple[dict[Lane, int], dict[Lane, int]] = ({}, {})
    epochs = (await queues.take_over(3)).epoch, (await memory.take_over(3)).epoch
    for turn in range(40):
        chances = random.Random(f"{seed}-{turn}"), random.Random(f"{seed}-{turn}")
        now_ms = 1_000 + 10 * turn
        said = await step(queues, chances[0], epochs[0], now_ms, places[0])
        assert said == await step(memory, chances[1], epochs[1], now_ms, places[1])
    assert sorted((await queues.take_over(3)).lanes) == sorted((await memory.take_over(3)).lanes)


async def test_a_former_owner_writes_nothing(queues: RedisQueues, app_id: str, valkey: EmbeddedValkey) -> None:
    former = (await queues.take_over(3)).epoch
    batch = Batch(LANES[0], "offset", "0", "9", [delivery("a", 1)], 10)
    assert (await queues.enqueue(3, former, 5, [batch]))[0].numbers == [1]
    await queues.take_over(3)
    with pytest.raises(Fenced):
        await queues.enqueue(3, former, 5, [batch._replace(before="9", after="10")])
    with pytest.raises(Fenced):
        await queues.settle(3, former, 5, [Settled("done", LANES[0], 1, "a")])
    standing = (await queues.standing(LANES[:1]))[0]
    assert (standing.offset, standing.waiting, standing.done) == (9, 1, 0)
    await queues.forget(LANES[0], dead=True)
    async with Redis.from_url(valkey.url) as redis:
        assert [key async for key in redis.scan_iter(f"{app_id}:*ep_1*")] == []


async def test_the_same_call_again_enqueues_and_settles_nothing_twice(queues: RedisQueues) -> None:
    epoch = (await queues.take_over(3)).epoch
    batch = Batch(LANES[0], "offset", "0", "9", [delivery("a", 1), delivery("a", 2)], 10)
    assert (await queues.enqueue(3, epoch, 5, [batch]))[0].numbers == [1, -2]
    assert (await queues.enqueue(3, epoch, 5, [batch]))[0].moved
    done = Settled("done", LANES[0], 1, "a")
    following = (await queues.settle(3, epoch, 6, [done]))[0]
    assert following.sure
    assert following.waiting is not None
    assert (following.waiting.number, following.waiting.delivery) == (2, delivery("a", 2))
    again = (await queues.settle(3, epoch, 6, [done]))[0]
    assert (again.waiting, again.sure) == (None, False)
    assert (await queues.standing(LANES[:1]))[0].done == 1


async def test_scripts_that_the_server_forgot_are_loaded_again(queues: RedisQueues, valkey: EmbeddedValkey) -> None:
    epoch = (await queues.take_over(3)).epoch
    for turn in range(2):
        async with Redis.from_url(valkey.url) as redis:
            await redis.script_flush()
        batch = Batch(LANES[0], "offset", str(turn), str(turn + 1), [delivery("a", turn)], 10)
        other = batch._replace(lane=LANES[1])
        assert [len(added.numbers or ()) for added in await queues.enqueue(3, epoch, 5, [batch, other])] == [1, 1]
