"""docs/http.md: each command that it shows answers what it shows, and it shows every route."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rules.load import load_text
from tests.integration.http_server import http_server, worked
from tests.integration.webhook_receiver import TO_THIS_MACHINE, marketing_tool
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer

pytestmark = pytest.mark.embedded  # the answers are the same on either broker

DOCUMENT = Path(__file__).parents[2] / "docs" / "http.md"


def shown() -> list[tuple[str, str]]:
    """Return (command, what it prints) of each console block."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT.read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output.strip()))
    return found


def yaml_shown() -> str:
    """Return the definitions under which the commands are asked."""
    found = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found
    return found[1]


def timeless(text: str) -> str:
    """Return a text with each instant, id and secret as the same one: which they are is no promise."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<instant>", text.strip())
    text = re.sub(r"ep_[0-9a-f]{24}", "<id>", text)
    return re.sub(r"whsec_[\w+/=]+|whsec_…", "<secret>", text)


async def ran(command: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return what a command prints, and what it complains of."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaints = await process.communicate()
    return printed.decode(), complaints.decode()


async def history_there(http: HttpServer) -> None:
    """Wait until the history has every change: then each segment's size is what entered less what left."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await http.client.get("/v1/segments", auth=(http.read_key, ""))).json()
            even = all(one["entered_24h"] - one["exited_24h"] == one["size"] for one in found["segments"])
            if found["flows_as_of"] is not None and even:
                return
            await asyncio.sleep(0.05)


async def test_each_command_answers_what_is_shown(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    commands = shown()
    assert len(commands) > 15
    async with contextlib.AsyncExitStack() as stack:
        tool = await stack.enter_async_context(marketing_tool())
        http = await stack.enter_async_context(http_server(broker, valkey, topic_prefix, app_id, **TO_THIS_MACHINE))
        await stack.enter_async_context(worked(http, valkey, load_text(yaml_shown())))
        environment = os.environ | {
            "HTTP": http.url,
            "WRITE_KEY": http.write_key,
            "READ_KEY": http.read_key,
            "ADMIN_KEY": http.admin_key,
            "RECEIVER": tool.url,
        }
        for command, output in commands:
            if kept := re.fullmatch(r"([A-Z]+)=\$\((.*)\)", command):  # each runs in a shell of its own
                environment[kept[1]] = (await ran(kept[2], environment))[0].strip()
                continue
            printed, complaints = await ran(command, environment)
            printed = printed.replace(tool.url, "https://hooks.example.com/segue")
            assert (timeless(printed), complaints) == (timeless(output), ""), command


async def test_every_route_is_shown(broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str) -> None:
    text = DOCUMENT.read_text()
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        paths = (await http.client.get("/openapi.json")).json()["paths"]
        assert [path for path in [*paths, "/openapi.json"] if f"{path}`" not in text and f"{path} " not in text] == []
