"""Webhooks on services: each change once and in order, whatever endpoints, Redis and processes do."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tests.integration.pipeline import until
from tests.integration.webhook_site import changes_of, webhook_site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.unit.webhook_fakes import Attempt


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
