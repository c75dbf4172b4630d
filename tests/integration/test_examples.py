"""The examples, each started with the one command that its first lines name, against `segue up`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from httpx_sse import aconnect_sse

from streams.child import free_port
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.embedded]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@contextlib.asynccontextmanager
async def program(*words: object) -> AsyncIterator[asyncio.StreamReader]:
    """Run a program of this Python until the context ends; then Ctrl-C ends it, and well."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *map(str, words),
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "SEGUE_HTTP_PORT": "0"},  # others may start segue at this moment
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        process.send_signal(signal.SIGINT)
        said = (await asyncio.wait_for(process.stdout.read(), PATIENCE_S)).decode()
        assert await process.wait() == 0, said
        assert "Traceback" not in said
        assert "Warning" not in said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def written_in(file: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads(file.read_text())
    return found


async def line_with(output: asyncio.StreamReader, wanted: str) -> str:
    """Return the next line that matches."""
    async with asyncio.timeout(PATIENCE_S):
        while line := (await output.readline()).decode():
            if re.search(wanted, line):
                return line
    message = f"it never said {wanted!r}"
    raise AssertionError(message)


@pytest.fixture
async def ready(tmp_path: Path) -> AsyncIterator[Path]:
    """Run segue with the examples' definitions; return the file that says where."""
    file = tmp_path / "segue.json"
    segue = ("-c", "from streams.cli import main; main()", "up", "--partitions", "2")
    async with program(*segue, "--rules", EXAMPLES / "shop" / "rules.yaml", "--ready-file", file) as output:
        await line_with(output, "segue is up")
        async with asyncio.timeout(PATIENCE_S):
            while not file.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.05)
        yield file


async def test_marketing_hears_what_the_shop_says(ready: Path) -> None:
    listener = (EXAMPLES / "marketing" / "listener.py", ready, "--port", free_port())
    shop = (EXAMPLES / "shop" / "backend.py", ready, "--visits", 8, "--pause", 0, "--seed", 1)
    async with program(*listener) as heard:
        await line_with(heard, "listening for")
        process = await asyncio.create_subprocess_exec(sys.executable, *map(str, shop), stdout=asyncio.subprocess.PIPE)
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0
        assert "grace ordered chair, desk, pen" in said
        assert "not sent" not in said
        line = await line_with(heard, r"entered  grace .*  big_basket")
        assert line.split("  ")[1:3] == ["grace <grace@shop.example>", "big_basket"]
        assert "at least 200 (340.5)" in line
    keys = written_in(ready)
    async with httpx.AsyncClient(base_url=keys["http"], auth=(keys["admin_key"], "")) as segue:
        assert (await segue.get("/v1/webhooks")).json()["webhooks"] == [], "it took its webhook along"


async def test_the_chat_shows_its_visitor_and_nobody_else(ready: Path) -> None:
    port = free_port()
    where = written_in(ready)
    async with (
        program(EXAMPLES / "chat" / "server.py", ready, "--port", port) as output,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as chat,
        httpx.AsyncClient(base_url=where["http"], timeout=PATIENCE_S) as segue,
    ):
        await line_with(output, "Running on")
        page = (await chat.get("/?visitor=ada")).text
        assert not any(where[key] in page for key in ("read_key", "write_key", "admin_key"))
        given = (await chat.post("/token", json={"visitor": "ada"})).json()
        assert given["segue"] == where["http"]
        asked = {"token": given["token"]}
        async with aconnect_sse(
            segue, "GET", "/v1/stream", params=asked, headers={"Origin": f"http://127.0.0.1:{port}"}
        ) as stream:
            assert stream.response.headers["access-control-allow-origin"] == "*", "a browser lets the page read it"
            bought = {"visitor": "ada", "event": "Order Completed", "properties": {"total": 249}}
            assert (await chat.post("/did", json={**bought, "visitor": "grace"})).json() == {"success": True}
            assert (await chat.post("/did", json=bought)).json() == {"success": True}
            said = []
            async with asyncio.timeout(PATIENCE_S):
                async for event in stream.aiter_sse():
                    if event.data:
                        said.append((event.event, json.loads(event.data)))
                    if len(said) == 2:
                        break
        moves = {(kind, change["segment"]) for kind, change in said}
        assert moves == {("segment.entered", "buyer"), ("segment.entered", "big_basket")}
        assert {change["customer_id"] for _, change in said} == {"ada"}
        view = (await segue.get("/v1/customers/ada", params=asked)).json()
        assert view["segmentations"]["stage"]["key"] == "buyer"
        assert (await segue.get("/v1/customers/grace", params=asked)).status_code in {401, 403}
