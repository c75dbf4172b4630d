"""From an SDK's call to whoever hears of it: webhook, stream and view, through worker processes, one of them killed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import pytest
from segment.analytics.client import Client as Segment

from tests.integration.http_server import http_server
from tests.integration.sse import hearing
from tests.integration.webhook_receiver import TO_THIS_MACHINE, marketing_tool
from tests.integration.worker_processes import workers

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer
    from tests.integration.sse import Ear
    from tests.integration.webhook_receiver import MarketingTool

CUSTOMERS = [f"c{number}" for number in range(6)]
RULES = """
segments:
  - {key: buyer, name: Buyer, when: {did: {event: Order Completed}}}
  - {key: twice, name: Twice, when: {did: {event: Order Completed, times: {eq: 2}}}}
  - {key: loyal, name: Loyal, when: {did: {event: Order Completed, times: {gte: 3}}}}
"""
ORDERS = [["entered buyer"], ["entered twice"], ["exited twice", "entered loyal"]]
"""What a customer's first, second and third order say."""


async def order(http: HttpServer) -> None:
    """Have every customer order once, as a shop's backend does."""

    def send() -> None:
        client = Segment(http.write_key, host=http.url, max_retries=2)
        for customer in CUSTOMERS:
            client.track(customer, "Order Completed", {"total": 9.5})
        client.flush()
        client.join()

    await asyncio.to_thread(send)


def told(changes: list[dict[str, Any]]) -> dict[str, list[tuple[int, str]]]:
    """Return customer -> (seq, what), in the order in which they came."""
    found = defaultdict(list)
    for change in changes:
        found[change["customer_id"]].append((change["seq"], f"{change['change']} {change['segment']}"))
    return dict(found)


def so_far(orders: int) -> dict[str, list[tuple[int, str]]]:
    """Return what that many orders of each customer say, in the form of `told`."""
    moves = list(itertools.chain.from_iterable(ORDERS[:orders]))
    return {customer: list(enumerate(moves, 1)) for customer in CUSTOMERS}


async def heard(ear: Ear, orders: int) -> list[dict[str, Any]]:
    """Return all that the stream said, once it has said so many orders' changes."""
    wanted = sum(map(len, so_far(orders).values()))
    while len(ear.heard) < wanted:
        await ear.next()
    return [orjson.loads(event.data) for event in ear.heard]


async def delivered(tool: MarketingTool, secret: str, orders: int) -> list[dict[str, Any]]:
    """Return what webhooks said, verified, each the first time it came: they come once at least."""
    wanted = sum(map(len, so_far(orders).values()))
    found: dict[str, dict[str, Any]] = {}
    while len(found) < wanted:
        for got in await tool.wait_for(len(tool.got) + 1 if found else wanted):
            found.setdefault(got.id, got.verified(secret)["data"])
    return list(found.values())


async def views(http: HttpServer, seq: int) -> dict[str, list[str]]:
    async with httpx.AsyncClient(base_url=http.url, auth=(http.read_key, ""), timeout=30) as client:
        found = [await client.get(f"/v1/customers/{customer}?wait_for_seq={seq}") for customer in CUSTOMERS]
    return {
        view["customer_id"]: [segment["key"] for segment in view["segments"]]
        for view in (answer.json() for answer in found)
    }


@pytest.mark.parametrize("killed", [False, True], ids=["all live", "a worker is killed"])
async def test_an_order_is_heard_of_everywhere(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, *, killed: bool
) -> None:
    await an_order_is_heard_of(broker, valkey, topic_prefix, app_id, killed=killed)


async def an_order_is_heard_of(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, *, killed: bool
) -> None:
    """Order three times, through everything there is, with or without a worker's death."""
    async with contextlib.AsyncExitStack() as stack:
        tool = await stack.enter_async_context(marketing_tool())
        http = await stack.enter_async_context(http_server(broker, valkey, topic_prefix, app_id, **TO_THIS_MACHINE))
        first, *_ = await stack.enter_async_context(workers(http.pipeline, RULES, 2 if killed else 1))
        async with httpx.AsyncClient(base_url=http.url, auth=(http.admin_key, "")) as admin:
            wanted = {"url": tool.url, "segments": ["*"], "changes": ["entered", "exited"]}
            secret = (await admin.post("/v1/webhooks", json=wanted)).json()["secret"]
        ear = await stack.enter_async_context(hearing(http.url, http.read_key))

        await order(http)
        assert told(await heard(ear, 1)) == so_far(1)
        assert told(await delivered(tool, secret, 1)) == so_far(1)
        assert await views(http, 1) == {customer: ["buyer"] for customer in CUSTOMERS}

        second = asyncio.create_task(order(http))
        if killed:
            await first.kill()
        await second
        await order(http)
        assert told(await heard(ear, 3)) == so_far(3), "each once, in order, with no gap"
        assert told(await delivered(tool, secret, 3)) == so_far(3)
        assert await views(http, 4) == {customer: ["buyer", "loyal"] for customer in CUSTOMERS}
