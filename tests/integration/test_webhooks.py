"""Webhooks on services: each change once and in order, whatever endpoints, Redis and processes do."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

import orjson
import pytest
from redis.asyncio import Redis

from rules.load import load_text
from state.redis import RedisStore
from state.webhooks.endpoints import UnknownEndpoint
from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.post import AT_ONCE
from streams.http.webhooks.schedule import FAILING_MS, STEPS_S
from tests.integration.pipeline import Pipeline, track, until
from tests.integration.webhook_site import changes_of, webhook_site
from tests.patience import PATIENCE_S
from tests.unit.webhook_fakes import START_MS, DrivenClock, change_of, endpoint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.webhook_site import WebhookSite
    from tests.unit.webhook_fakes import Attempt


# aiokafka leaves a connection to the collector that is given up while it is being made
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


async def failed(site: WebhookSite, attempts: int, endpoint: str = "ep_1") -> None:
    """Wait until so many attempts at an endpoint failed and are written down: now the clock may go on."""
    async with asyncio.timeout(PATIENCE_S):
        while (await site.deliveries.standing(endpoint)).again != attempts:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.01)


def in_order(attempts: Sequence[Attempt]) -> dict[str, list[int]]:
    """Return customer -> the numbers of their changes in the order in which they were taken."""
    found: dict[str, list[int]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.customer].append(attempt.seq)
    return dict(found)


async def test_a_change_goes_to_those_who_asked_for_it_in_order_and_once(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.write(changes_of(1, 1))  # before there is an endpoint
        await site.add("ep_all")
        await site.add("ep_in", changes=("entered",))
        await site.add("ep_none", segments=("other",))
        await site.write(changes_of(5, 4))  # while nobody delivers
        async with site.delivering():
            await until(lambda: len(site.sender.seen) >= 30)
            await site.write([change for change in changes_of(5, 6) if change.seq > 4])
            await until(lambda: len(site.sender.seen) >= 45)
        assert in_order(site.sender.at("ep_all")) == {f"c{number}": [1, 2, 3, 4, 5, 6] for number in range(5)}
        assert in_order(site.sender.at("ep_in")) == {f"c{number}": [1, 3, 5] for number in range(5)}
        assert len(site.sender.seen) == 45
        body = site.sender.good[0].body
        assert set(body) == {"type", "timestamp", "data"}
        assert (body["type"], body["timestamp"]) == (f"segment.{body['data']['change']}", body["data"]["at"])
        assert body["data"]["id"] == site.sender.good[0].id
        standing = await site.deliveries.standing("ep_all")
        assert (standing.waiting, standing.done, standing.again, standing.dead) == (0, 30, 0, 0)


async def test_an_endpoint_that_fails_for_an_hour_gets_all_in_order_and_keeps_nobody_else_waiting(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    clock = DrivenClock()
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add("ep_bad")
        await site.add("ep_good")
        hour_ms = START_MS + 3_600_000
        broken = {"ep_bad"}
        site.sender.answer = lambda attempt: (
            Outcome(status=500) if attempt.endpoint in broken and clock.now_ms() < hour_ms else None
        )
        async with site.delivering(clock):
            await site.write(changes_of(4, 3))
            await until(lambda: len(site.sender.at("ep_good")) == 12)
            assert clock.now_ms() == START_MS
            assert (await site.endpoints.get("ep_good")).failing_since_ms is None
            for tries, step in enumerate(STEPS_S[:4], 1):
                await failed(site, 4 * tries, "ep_bad")
                assert len(site.sender.seen) == 12 + 4 * tries  # nobody comes before it is due
                clock.go(clock.now_ms() + 1_100 * step)
            assert clock.now_ms() > hour_ms
            await until(lambda: len(site.sender.at("ep_bad")) == 12)
        assert in_order(site.sender.at("ep_bad")) == {f"c{number}": [1, 2, 3] for number in range(4)}
        # 5 s, 5 min, 30 min and 2 h after one another: four failures, then a success, of each customer's first
        first = [attempt for attempt in site.sender.seen if (attempt.endpoint, attempt.seq) == ("ep_bad", 1)]
        assert Counter(attempt.customer for attempt in first) == {f"c{number}": 5 for number in range(4)}
        assert len({attempt.bytes for attempt in first if attempt.customer == "c0"}) == 1
        at_s = [attempt.at_s for attempt in first if attempt.customer == "c0"]
        for before, after, step in zip(at_s, at_s[1:], STEPS_S, strict=False):
            assert 0.9 * step - 1 <= after - before
        assert len(site.sender.seen) == 12 + 12 + 4 * 4


async def test_retry_after_is_waited_for_by_that_customer_alone(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    clock = DrivenClock()
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add()
        busy = iter([Outcome(status=429, retry_after_s=7_200)])
        site.sender.answer = lambda attempt: next(busy, None) if attempt.customer == "c0" else None
        async with site.delivering(clock):
            await site.write(changes_of(3, 2))
            await until(lambda: len(site.sender.good) == 4)
            await failed(site, 1)
            clock.go(START_MS + 7_200_000 - 1)
            await site.write([change_of("c1", 3)])  # the one that shows that it was looked
            await until(lambda: len(site.sender.good) == 5)
            clock.go(START_MS + 7_200_000)
            await until(lambda: len(site.sender.good) == 7)
        assert in_order(site.sender.good) == {"c0": [1, 2], "c1": [1, 2, 3], "c2": [1, 2]}
        assert [attempt.customer for attempt in site.sender.good[5:]] == ["c0", "c0"]


async def test_gone_disables_and_enabling_goes_on_where_it_was_or_now(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id, partitions=1) as site:
        await site.add()
        site.sender.answer = lambda _: Outcome(status=410)
        async with site.delivering() as deliveries:

            async def gone(count: int) -> None:
                async with asyncio.timeout(PATIENCE_S):
                    while (await site.endpoints.get("ep_1")).disabled != "gone":  # noqa: ASYNC110 - Redis tells nobody
                        await asyncio.sleep(0.02)
                assert len(site.sender.seen) == count

            await site.write(changes_of(1, 2))
            await gone(1)
            await site.write([change_of("c0", 3)])
            site.sender.answer = lambda _: None
            await deliveries.enable("ep_1", resume="here")
            await until(lambda: len(site.sender.good) == 3)
            site.sender.answer = lambda _: Outcome(status=410)
            await site.write([change_of("c0", 4)])
            await gone(5)
            await site.write([change_of("c0", 5)])
            site.sender.answer = lambda _: None
            enabled = await deliveries.enable("ep_1", resume="now")
            assert (enabled.enabled, enabled.disabled, enabled.failing_since_ms) == (True, None, None)
            await site.write([change_of("c0", 6)])
            await until(lambda: len(site.sender.good) == 4)
        assert in_order(site.sender.good) == {"c0": [1, 2, 3, 6]}


async def test_what_is_spent_is_kept_and_can_be_sent_again_while_the_customers_next_goes_on(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    clock = DrivenClock()
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add()
        site.sender.answer = lambda attempt: Outcome(status=400, shown="no") if attempt.seq == 1 else None
        async with site.delivering(clock) as deliveries:
            await site.write(changes_of(2, 3))
            await clock.drive(lambda: len(site.sender.good) == 4)
            assert in_order(site.sender.good) == {"c0": [2, 3], "c1": [2, 3]}
            assert len(site.sender.seen) == 2 * (3 + 2)
            dead = await deliveries.dead("ep_1", 10)
            assert await deliveries.dead("ep_1", 1) == dead[:1]
            assert [(entry.tries, entry.status, entry.shown) for entry in dead] == [(3, 400, "no")] * 2
            records = await site.pipeline.read(site.pipeline.topics.spent)
            said = [orjson.loads(record.value or b"") for record in records]
            assert {(one["endpoint"], one["customer_id"], one["tries"]) for one in said} == {
                ("ep_1", "c0", 3),
                ("ep_1", "c1", 3),
            }
            assert {one["id"]: one["body"]["data"]["id"] for one in said} == {
                entry.delivery.id: entry.delivery.id for entry in dead
            }
            site.sender.answer = lambda _: None
            assert await deliveries.resend("ep_1", dead[0].delivery.id) == 1
            assert await deliveries.resend("ep_1", "none") == 0
            await until(lambda: len(site.sender.good) == 5)
            assert await deliveries.resend("ep_1", None) == 1
            await until(lambda: len(site.sender.good) == 6)
            assert await deliveries.dead("ep_1", 10) == []
        assert [attempt.seq for attempt in site.sender.good[4:]] == [1, 1]
        standing = await site.deliveries.standing("ep_1")
        assert (standing.waiting, standing.done, standing.spent, standing.dead) == (0, 6, 2, 0)


async def test_a_restart_in_the_middle_of_the_schedule_forgets_nothing_and_repeats_nothing(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    clock = DrivenClock()
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add()
        site.sender.answer = lambda _: Outcome(status=500)
        async with site.delivering(clock):
            await site.write(changes_of(3, 2))
            await failed(site, 3)
            clock.go(clock.now_ms() + 1_100 * STEPS_S[0])
            await failed(site, 6)
        assert Counter(attempt.customer for attempt in site.sender.seen) == {"c0": 2, "c1": 2, "c2": 2}
        site.sender.answer = lambda _: None
        async with site.delivering(clock):
            await site.write([change_of("c9", 1)])  # the one that shows that it runs again
            await until(lambda: bool(site.sender.good))
            assert [attempt.customer for attempt in site.sender.good] == ["c9"]  # the others are not due
            clock.go(clock.now_ms() + 1_100 * STEPS_S[1])
            await until(lambda: len(site.sender.good) == 7)
        assert in_order(site.sender.good) == {"c0": [1, 2], "c1": [1, 2], "c2": [1, 2], "c9": [1]}
        assert len(site.sender.seen) == 6 + 7


async def test_one_that_hangs_holds_its_own_slots_and_nobody_elses(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add("ep_hangs")
        await site.add("ep_good")
        answers = asyncio.Event()
        site.sender.answer = lambda attempt: answers if attempt.endpoint == "ep_hangs" else None
        async with site.delivering():
            await site.write(changes_of(60, 2))
            await until(lambda: len(site.sender.at("ep_good")) == 120)
            assert site.sender.under_way["ep_hangs"] == site.sender.most_at_once["ep_hangs"] == AT_ONCE
            answers.set()
            await until(lambda: len(site.sender.at("ep_hangs")) == 120)
        assert in_order(site.sender.at("ep_hangs")) == {f"c{number}": [1, 2] for number in range(60)}


async def test_an_endpoint_in_which_too_much_waits_stops_reading_and_loses_nothing(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add("ep_slow", max_waiting=40)
        await site.add("ep_good")
        answers = asyncio.Event()
        site.sender.answer = lambda attempt: answers if attempt.endpoint == "ep_slow" else None
        async with site.delivering():
            for seq in range(1, 11):
                await site.write([change_of(f"c{number}", seq) for number in range(30)])
            await until(lambda: len(site.sender.at("ep_good")) == 300)
            assert 20 < (await site.deliveries.standing("ep_slow")).waiting <= 40
            site.sender.answer = lambda _: None
            answers.set()
            await until(lambda: len(site.sender.at("ep_slow")) == 300)
        assert in_order(site.sender.at("ep_slow")) == {f"c{number}": list(range(1, 11)) for number in range(30)}
        assert len(site.sender.seen) == 600


@pytest.mark.parametrize("spread", [-1.0, 0.0, 1.0])
async def test_one_that_fails_for_five_days_is_disabled(
    broker: Broker,
    valkey: EmbeddedValkey,
    topic_prefix: str,
    app_id: str,
    spread: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # all waits as short as they come, in the middle, as long as they come: what chance makes of them lies in between
    monkeypatch.setattr("streams.http.webhooks.lane.random", SimpleNamespace(uniform=lambda _least, _most: spread))
    clock = DrivenClock()
    async with webhook_site(broker, valkey, topic_prefix, app_id, partitions=1) as site:
        await site.add()
        site.sender.answer = lambda _: Outcome(failure="timeout")
        async with site.delivering(clock):
            await site.write(changes_of(1, 3))
            # ten attempts of the first take three days; the second fails on, and the third waits behind it
            await clock.drive(lambda: clock.now_ms() >= START_MS + FAILING_MS)
            async with asyncio.timeout(PATIENCE_S):
                while (await site.endpoints.get("ep_1")).enabled:  # noqa: ASYNC110 - Redis tells nobody
                    await asyncio.sleep(0.02)
        found = await site.endpoints.get("ep_1")
        assert (found.disabled, found.failing_since_ms) == ("failing", START_MS)
        assert len(site.sender.seen) == (20 if spread < 0 else 19)
        standing = await site.deliveries.standing("ep_1")
        assert standing.waiting >= 1
        assert standing.waiting + standing.dead == 3  # what was not given up is kept


async def test_removing_an_endpoint_leaves_no_key(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add("ep_gone")
        await site.add("ep_stays")
        site.sender.answer = lambda attempt: Outcome(status=500) if attempt.endpoint == "ep_gone" else None
        async with Redis.from_url(valkey.url) as redis:

            async def keys() -> list[bytes]:
                return [key async for key in redis.scan_iter(f"{app_id}:*ep_gone*")]

            async with site.delivering() as deliveries:
                await site.write(changes_of(4, 2))
                await until(lambda: len(site.sender.seen) >= 12)
                assert await keys()
                await deliveries.remove("ep_gone")
                await site.write([change_of("c0", 3)])
                await until(lambda: len(site.sender.at("ep_stays")) == 9)
                async with asyncio.timeout(PATIENCE_S):
                    while await keys():  # noqa: ASYNC110 - Redis tells nobody
                        await asyncio.sleep(0.02)
            with pytest.raises(UnknownEndpoint):
                await site.deliveries.standing("ep_gone")


async def test_a_redis_that_dies_and_comes_back_costs_no_delivery(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with webhook_site(broker, valkey, topic_prefix, app_id) as site:
        await site.add()
        async with site.delivering():
            await site.write(changes_of(20, 3))
            await until(lambda: len(site.sender.good) >= 10)
            await valkey.kill()
            try:
                await site.write([change for change in changes_of(20, 5) if change.seq > 3])
            finally:
                await valkey.restart()
            await until(lambda: len({attempt.id for attempt in site.sender.good}) == 100)
        firsts = {customer: sorted(set(seqs)) for customer, seqs in in_order(site.sender.good).items()}
        assert firsts == {f"c{number}": [1, 2, 3, 4, 5] for number in range(20)}
        for seqs in in_order(site.sender.good).values():
            assert seqs == sorted(seqs)


async def test_the_present_members_come_before_changes_and_a_restart_goes_on_with_them(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    rules = load_text("""
segments: [{key: seen, when: {did: {event: '*'}}}, {key: buyer, when: {did: {event: Bought}}}]
segmentations: [{key: stage, segments: [buyer], otherwise: visitor}]
""")
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(webhook_site(broker, valkey, topic_prefix, app_id))
        store = RedisStore(valkey.url, app_id, patience_s=5)
        stack.push_async_callback(store.close)
        pipeline = Pipeline(site.pipeline.settings, store, rules)
        async with pipeline.worker():
            await pipeline.send((f"c{number}", track(f"c{number}", 1)) for number in range(50))
            await pipeline.send((f"c{number}", track(f"c{number}", 2, event="Bought")) for number in range(30))
            async with asyncio.timeout(PATIENCE_S):
                while (await store.sizes([0, 1])).get("stage.buyer") != 30:  # noqa: ASYNC110 - Redis tells nobody
                    await asyncio.sleep(0.02)
            given = endpoint_of("ep_1", segments=("buyer",), traits=("email",), max_waiting=20)
            await site.deliveries.add(given, backfill=True)
            answers = asyncio.Event()
            site.sender.answer = lambda attempt: answers if attempt.customer == "c0" else None
            async with site.delivering():
                await until(lambda: len(site.sender.good) > 5)
            site.sender.answer = lambda _: None
            async with site.delivering():
                await until(lambda: len({attempt.customer for attempt in site.sender.good}) == 30)
                await pipeline.send([("c40", track("c40", 2, event="Bought"))])
                await until(lambda: site.sender.good[-1].customer == "c40")
        standing = await site.deliveries.standing("ep_1")
    filled = [attempt for attempt in site.sender.good if attempt.body["data"]["cause"]["type"] == "backfill"]
    # what the step of the scan led to at which the first one stopped comes again, with the same ids
    assert len({attempt.id for attempt in filled}) == 30
    assert {attempt.customer for attempt in filled} == {f"c{number}" for number in range(30)}
    data = filled[0].body["data"]
    assert (data["change"], data["segments"], data["traits"]) == ("entered", ["seen", "stage.buyer"], {})
    rest = [attempt for attempt in site.sender.good if attempt.body["data"]["cause"]["type"] != "backfill"]
    assert [attempt.customer for attempt in rest] == ["c40"]
    assert standing.waiting == 0
