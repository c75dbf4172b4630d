"""Webhooks by several `segue serve` processes, one of which is killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

import orjson
import pytest

from streams.child import free_port
from tests.integration.test_webhooks import in_order
from tests.integration.webhook_receiver import TO_THIS_MACHINE, MarketingTool, marketing_tool
from tests.integration.webhook_site import changes_of, webhook_site
from tests.patience import PATIENCE_S
from tests.unit.webhook_fakes import Attempt

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.embedded import EmbeddedValkey
    from streams.settings import Settings
    from tests.integration.conftest import Broker

CUSTOMERS, EACH = 30, 6

# aiokafka leaves a connection to the collector that is given up while it is being made
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@contextlib.asynccontextmanager
async def serving_webhooks(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `segue serve --only webhooks`; it is killed at the end."""
    given = settings.model_dump(mode="json", exclude_defaults=True) | {"http_port": free_port()}
    values = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from streams.cli import main; main()", "serve", "--only", "webhooks"),
        env=os.environ | {f"SEGUE_{name.upper()}": value for name, value in values.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        assert b"segue serves http://" in await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def taken(tool: MarketingTool) -> list[Attempt]:
    return [Attempt("ep_1", got.id, got.body, 0) for got in tool.got]


async def test_two_processes_share_the_partitions_and_one_that_is_killed_loses_nothing(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        tool = await stack.enter_async_context(marketing_tool())
        options = {"partitions": 4, **TO_THIS_MACHINE}
        site = await stack.enter_async_context(webhook_site(broker, valkey, topic_prefix, app_id, **options))
        await site.add(url=tool.url, secret="whsec_" + "A" * 43 + "=")
        settings = site.pipeline.settings
        killed = await stack.enter_async_context(serving_webhooks(settings))
        await stack.enter_async_context(serving_webhooks(settings))
        changes = changes_of(CUSTOMERS, EACH)
        for at in range(0, len(changes), 45):
            await site.write(changes[at : at + 45])
            await tool.wait_for(at // 2)
            if at == 90:
                tool.status = 500  # so that some are in the middle of their schedule
                await tool.wait_for(len(tool.got) + 4)
                killed.kill()
                tool.status = 200
        refused = 4  # and more, as they came
        async with asyncio.timeout(PATIENCE_S):
            while len({got.id for got in tool.got}) < len(changes):  # noqa: ASYNC110 - the test looks
                await asyncio.sleep(0.05)
        await tool.wait_for(len(changes) + refused)
    found = in_order(taken(tool))
    assert set(found) == {f"c{number}" for number in range(CUSTOMERS)}
    for seqs in found.values():
        assert list(dict.fromkeys(seqs)) == list(range(1, EACH + 1))
    assert all(orjson.loads(got.body)["data"]["id"] == got.id for got in tool.got)
