"""Webhooks as their users have them: from an event over HTTP to a request that is verified, and `segue webhooks`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from standardwebhooks import WebhookVerificationError
from typer.testing import CliRunner

from rules.load import load_text
from streams.cli import main
from streams.http.webhooks.signing import make_secret, signed_headers
from tests.integration.http_server import http_server, worked
from tests.integration.pipeline import make_pipeline
from tests.integration.test_http_hostile import fuzz
from tests.integration.webhook_receiver import TO_THIS_MACHINE, marketing_tool

if TYPE_CHECKING:
    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker

DOCUMENT = Path(__file__).parents[2] / "docs" / "http.md"

RULES = """
segments:
  - {key: buyer, when: {did: {event: Order Completed}}}
  - {key: loyal, when: {did: {event: Order Completed, times: {gte: 2}}}}
"""


async def test_from_an_event_to_a_verified_webhook(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        tool = await stack.enter_async_context(marketing_tool())
        http = await stack.enter_async_context(http_server(broker, valkey, topic_prefix, app_id, **TO_THIS_MACHINE))
        await stack.enter_async_context(worked(http, valkey, load_text(RULES)))
        admin = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"{http.url}/v1/webhooks", auth=(http.admin_key, ""), timeout=30)
        )

        async def ordered(customer: str) -> None:
            identified = {"userId": customer, "traits": {"email": f"{customer}@shop.example"}}
            assert (await http.client.post("/v1/identify", json=identified)).is_success
            assert (
                await http.client.post("/v1/track", json={"userId": customer, "event": "Order Completed"})
            ).is_success

        made = (await admin.post("", json={"url": tool.url, "segments": ["buyer"], "traits": ["email"]})).json()
        place = f"/{made['id']}"
        await ordered("c1")
        (got,) = await tool.wait_for(1)
        said = got.verified(made["secret"])
        assert (said["type"], said["timestamp"]) == ("segment.entered", said["data"]["at"])
        data = said["data"]
        assert (data["customer_id"], data["segment"], data["id"]) == ("c1", "buyer", got.id)
        assert data["traits"] == {"email": "c1@shop.example"}

        await admin.patch(place, json={"enabled": False})
        await ordered("c1")  # enters loyal, which was not asked for
        await ordered("c2")
        tried = (await admin.post(f"{place}/test")).json()
        assert (tried["delivered"], tried["status"], tried["shown"]) == (True, 200, "heard")
        assert (await tool.wait_for(2))[1].verified(made["secret"])["data"]["test"] is True

        rotated = (await admin.post(f"{place}/rotate")).json()
        await admin.patch(place, json={"enabled": True, "resume": "here"})
        third = (await tool.wait_for(3))[2]
        for secret in (made["secret"], rotated["secret"]):
            assert third.verified(secret)["data"]["customer_id"] == "c2"
        shown = (await admin.get(place)).json()
        assert (shown["enabled"], shown["deliveries"]["waiting"]) == (True, 0)
        assert (await admin.delete(place)).json() == {"success": True}
        assert len(tool.got) == 3


@pytest.mark.embedded  # no broker has a say in it
async def test_no_answer_about_webhooks_is_out_of_contract(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str
) -> None:
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        # a schema does not say which URLs are public, nor what base64 is
        unchecked = "positive_data_acceptance"
        only = ("--include-path-regex", "^/v1/webhooks")
        await asyncio.to_thread(fuzz, http.url, http.admin_key, *only, unchecked=unchecked)


@pytest.mark.embedded  # no broker has a say in it
async def test_the_command_line_does_all_of_it(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = await make_pipeline(broker, topic_prefix, app_id, redis=valkey.url)
    given: dict[str, Any] = {
        "BROKER": broker.address,
        "REDIS": valkey.url,
        "APP_ID": app_id,
        "TOPIC_PREFIX": topic_prefix,
        "PARTITIONS": pipeline.settings.partitions,
        "WEBHOOKS_HTTP": "true",
        "WEBHOOKS_NETWORKS": "127.0.0.0/8",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SEGUE_{name}", str(value))

    async def segue(*words: str, expect: int = 0) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, main, ["webhooks", *words])
        assert result.exit_code == expect, result.output
        return result.output

    async with marketing_tool() as tool:
        added = await segue("add", "--url", tool.url, "--segment", "vip", "--header", "X-Token: tell-nobody")
        identity, secret = (found[1] for found in re.finditer(r"^\w+ +(\S+)$", added, re.MULTILINE))
        assert "delivered: 200" in await segue("test", identity)
        assert tool.got[0].verified(secret)["data"]["segment"] == "vip"
        assert tool.got[0].headers["x-token"] == "tell-nobody"

        changed = await segue("change", identity, "--trait", "email", "--max-per-second", "5", "--header", "X-B: c")
        assert re.search(r"^max_per_second +5.0$", changed, re.MULTILINE)
        assert re.search(r"^max_per_second +-$", await segue("change", identity, "--max-per-second", "0"), re.MULTILINE)
        await segue("change", identity, "--no-header", "x-b")
        await segue("disable", identity)
        listed = await segue("list")
        assert re.fullmatch(rf"{identity}  disabled \(asked\)    {re.escape(tool.url)}  vip entered/exited\n", listed)
        await segue("enable", identity, "--resume", "now")
        shown = await segue("show", identity)
        for line in (r"traits +email", r"headers +\{\"X-Token\":\"\*\*\*\"\}", r"enabled +True", r"waiting +0"):
            assert re.search(rf"^{line}$", shown, re.MULTILINE), shown

        new = (await segue("rotate", identity)).split()[1]
        tool.status = 500
        assert "not delivered: 500" in await segue("test", identity, expect=1)
        assert [tool.got[1].verified(one)["type"] for one in (secret, new)] == ["segment.entered"] * 2
        assert await segue("dead", identity) == ""
        assert await segue("resend", identity, "all") == "0 will be sent again.\n"
        assert "no spent delivery 'd-1'" in await segue("resend", identity, "d-1", expect=1)
        for told in (listed, shown, changed):
            assert not any(word in told for word in (secret, new, "tell-nobody"))
        await segue("remove", identity)
        assert await segue("list") == ""
        assert "there is no endpoint" in await segue("show", identity, expect=1)

        wrong = ["--url", "https://10.0.0.1", "--change", "left", "--max-waiting", "0", "--header", "Host: x"]
        assert [line.partition(":")[0] for line in (await segue("add", *wrong, expect=1)).splitlines()] == [
            "--url", "--change (changes[0])", "--header", "--max-waiting",
        ]  # fmt: skip
        told = await segue("add", "--url", tool.url, "--header", "s3cret", expect=1)
        assert told == "--header: write 'Name: value'\n"
        await segue("enable", identity, expect=2)


def shown_code(language: str) -> str:
    """Return how the documents have a webhook verified in a language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (found,) = [block for block in blocks if "verified(" in block]
    return str(found)


@pytest.mark.embedded  # no broker has a say in it
def test_what_the_documents_have_receivers_do_verifies_what_is_sent() -> None:
    secrets, body, now_s = [make_secret(), make_secret()], '{"who":"Bücher"}', int(time.time())
    headers = signed_headers(secrets, "d-1", body.encode(), at_s=now_s)
    scope: dict[str, Any] = {}
    exec(shown_code("python"), scope)  # noqa: S102 - it is what the documents show
    say = """
const [secrets, headers, body, now] = JSON.parse(process.argv[1])
const tried = (...words) => { try { return verified(...words).who } catch (error) { return error.message } }
console.log(JSON.stringify([
  ...secrets.map((one) => tried(one, headers, body, now)),
  tried(secrets[0], headers, body.replace('B', 'D'), now),
  tried(secrets[0], { ...headers, 'webhook-id': 'd-2' }, body, now),
  tried('whsec_AAAA', headers, body, now),
  tried(secrets[0], headers, body, now + 301000),
  tried(secrets[0], { ...headers, 'webhook-timestamp': 'x' }, body, now),
]))"""
    given = json.dumps([secrets, headers, body, now_s * 1000])
    done = subprocess.run(
        ["node", "-e", shown_code("js") + say, "--", given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["Bücher", "Bücher", *["wrong signature"] * 3, *["too old, or too new"] * 2]
    for secret in secrets:
        assert scope["verified"](secret, headers, body.encode()) == {"who": "Bücher"}
    with pytest.raises(WebhookVerificationError):
        scope["verified"](make_secret(), headers, body.encode())
