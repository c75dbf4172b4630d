from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from state.webhooks.queues import Delivery
from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.measures import WebhookMeasures
from streams.http.webhooks.post import AT_ONCE, Post
from streams.http.webhooks.schedule import FAILING_MS
from tests.unit.webhook_fakes import START_MS, DrivenClock, ScriptedSender, endpoint_of

if TYPE_CHECKING:
    from state.webhooks.endpoints import Endpoint

BODY = b'{"data":{"customer_id":"c","seq":1}}'
DELIVERY = Delivery("id", "c", START_MS, BODY)


class Bench:
    def __init__(self, share: float = 1.0, **fields: Any) -> None:
        self.clock = DrivenClock()
        self.sender = ScriptedSender()
        self.registry = CollectorRegistry()
        self.measures = WebhookMeasures(self.registry)
        self.post = Post(endpoint_of(**fields), self.sender, self.clock, self.measures, lambda: share)

    async def attempt(self, outcome: Outcome) -> None:
        self.sender.answer = lambda _: outcome
        await self.post.send(DELIVERY)

    def edited(self) -> Endpoint:
        return self.post.edit(self.post.endpoint)


async def test_attempts_are_paced_by_the_share_of_the_partitions() -> None:
    bench = Bench(share=0.25, max_per_second=8)
    at_ms = []

    async def one() -> None:
        slot = await bench.post.slot()
        at_ms.append(bench.clock.now_ms() - START_MS)
        slot.free()

    tasks = [asyncio.create_task(one()) for _ in range(5)]
    await bench.clock.drive(lambda: all(task.done() for task in tasks), quiet_s=0.001)
    assert at_ms == [0, 500, 1_000, 1_500, 2_000]


async def test_no_more_than_so_many_are_under_way_at_once() -> None:
    bench = Bench()
    slots = [await bench.post.slot() for _ in range(AT_ONCE)]
    waiting = asyncio.create_task(bench.post.slot())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    slots[0].free()
    slots[0].free()  # once is enough
    await waiting
    another = asyncio.create_task(bench.post.slot())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not another.done()
    another.cancel()


async def test_failing_is_counted_from_the_first_failure_and_ends_with_a_success() -> None:
    bench = Bench()
    await bench.attempt(Outcome(status=500))
    bench.clock.go(START_MS + 1_000)
    await bench.attempt(Outcome(failure="timeout"))
    assert bench.edited().failing_since_ms == START_MS
    await bench.attempt(Outcome(status=200))
    assert bench.edited().failing_since_ms is None
    assert bench.edited().enabled


async def test_what_failed_for_five_days_is_disabled_unless_another_process_had_a_success() -> None:
    bench = Bench()
    await bench.attempt(Outcome(status=500))
    bench.post.saved(bench.edited())
    bench.clock.go(START_MS + FAILING_MS - 1)
    await bench.attempt(Outcome(status=500))
    assert bench.post.open
    bench.post.adopt(replace(bench.post.endpoint, failing_since_ms=None))
    bench.clock.go(START_MS + FAILING_MS)
    await bench.attempt(Outcome(status=500))
    assert bench.post.open
    bench.clock.go(START_MS + 2 * FAILING_MS)
    await bench.attempt(Outcome(status=500))
    assert not bench.post.open
    edited = bench.edited()
    assert (edited.enabled, edited.disabled, edited.disabled_ms) == (False, "failing", START_MS + 2 * FAILING_MS)
    assert edited.failing_since_ms == START_MS + FAILING_MS


async def test_a_client_that_trips_is_a_failed_attempt() -> None:
    bench = Bench()

    def trips(_: object) -> Outcome:
        message = "https://user:password@host"
        raise ZeroDivisionError(message)

    bench.sender.answer = trips
    assert (await bench.post.send(DELIVERY)).failure == "broken"


async def test_measures_name_endpoints_and_outcomes_and_nothing_else() -> None:
    bench = Bench()
    for outcome in (Outcome(status=204), Outcome(status=503), Outcome(status=429), Outcome(status=410)):
        await bench.attempt(outcome)
    await bench.attempt(Outcome(failure="tls", shown="secret"))
    bench.measures.show(lambda: {"ep_1": (3, 5)})
    text = generate_latest(bench.registry).decode()
    for outcome_name in ("2xx", "5xx", "429", "410", "tls"):
        assert f'segue_webhook_attempts_total{{outcome="{outcome_name}"}} 1.0' in text
    assert 'segue_webhook_waiting{endpoint="ep_1"} 3.0' in text
    assert 'segue_webhook_behind{endpoint="ep_1"} 5.0' in text
    assert "secret" not in text
