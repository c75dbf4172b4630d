"""Today's SDKs, unchanged but for the host, send events that reach the topic as the worker takes them."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from rudderstack.analytics.client import Client as Rudder
from segment.analytics.client import Client as Segment

from tests.integration.http_server import http_server
from tests.integration.node_sdk import node_folder
from tests.integration.pipeline import SEEN
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

KINDS = ["identify", "track", "page", "screen", "group", "alias"]
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def send_all(sdk: type[Segment | Rudder], url: str, key: str, user: str, **options: Any) -> list[Any]:
    """Send an event of each kind; return the errors that the SDK told of."""
    errors: list[Any] = []
    client: Any = sdk(key, host=url, on_error=lambda error, _: errors.append(error), max_retries=2, **options)
    client.identify(user, {"plan": "pro"})
    client.track(user, "Order Completed", {"total": 9.5, "note": "grüße"}, timestamp=WHEN)
    client.page(user, name="Home") if sdk is Rudder else client.page(user, None, "Home")
    client.screen(user, name="Start") if sdk is Rudder else client.screen(user, None, "Start")
    client.group(user, "g1", {"size": 3})
    client.alias(user, "n2")
    client.flush()
    client.join()
    return errors


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("sdk", [Segment, Rudder], ids=["segment", "rudder"])
async def test_sdks_for_python(
    sdk: type[Segment | Rudder], *, zipped: bool, broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        assert await asyncio.to_thread(send_all, sdk, http.url, http.write_key, "p1", gzip=zipped) == []
        events = await http.events()
        # segment's alias is an event of the other id
        assert [event["type"] for event in events if event["type"] != "alias"] == KINDS[:5]
        assert len(events) == 6
        assert len({event["messageId"] for event in events}) == 6
        identify, track = (next(event for event in events if event["type"] == kind) for kind in KINDS[:2])
        assert identify["traits"] == {"plan": "pro"}
        assert track["properties"] == {"total": 9.5, "note": "grüße"}
        assert datetime.fromisoformat(track["timestamp"]) == WHEN
        assert await http.pipeline.rejected() == []


async def test_the_sdk_for_node(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> None:
    folder = await asyncio.to_thread(node_folder)
    async with http_server(broker, valkey, topic_prefix, app_id, partitions=1) as http:
        process = await asyncio.create_subprocess_exec(
            *("node", "send.js"),
            cwd=folder,
            env=os.environ | {"SEGUE_HOST": http.url, "SEGUE_WRITE_KEY": http.write_key},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        events = await http.events()
        assert [event["type"] for event in events] == KINDS
        assert events[0]["traits"] == {"plan": "pro"}
        assert events[3]["anonymousId"] == "n2"
        assert events[0]["context"]["library"]["name"] == "@segment/analytics-node"
        assert await http.pipeline.rejected() == []


@pytest.mark.parametrize("sdk", [Segment, Rudder], ids=["segment", "rudder"])
async def test_an_sdk_with_a_wrong_key_is_told_and_gives_up(
    sdk: type[Segment | Rudder], broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        errors = await asyncio.to_thread(send_all, sdk, http.url, http.read_key, "p1")
        assert {(error.status, error.code) for error in errors} == {(401, "wrong_key")}
        assert await http.events() == []


async def test_a_shop_that_sends_with_an_sdk_gets_its_segments(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id, rules=SEEN) as http, http.pipeline.worker():
        await asyncio.to_thread(send_all, Segment, http.url, http.write_key, "p1")
        async with asyncio.timeout(PATIENCE_S):
            while not (changes := await http.pipeline.changes()):
                pass
        assert ("p1", "seen") in {(change["customer_id"], change["segment"]) for change in changes}
