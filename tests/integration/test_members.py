"""Who is in a segment, of tens of thousands on a real store while others come and go: over HTTP, and as a file."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import pytest_asyncio

from rules.load import load_text
from state.redis import RedisStore
from state.view import encode_view
from tests.integration.http_server import http_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from streams.embedded import EmbeddedValkey
    from tests.integration.conftest import Broker
    from tests.integration.http_server import HttpServer

pytestmark = pytest.mark.embedded  # no broker has a say in it

RULES = load_text("""\
segments:
  - {key: vip, when: {did: {event: Bought}}}
  - {key: gold, when: {did: {event: Bought, times: {gte: 9}}}}
segmentations:
  - {key: tier, segments: [gold], otherwise: plain}
""")
SINCE = "2026-03-01T12:00:00.000Z"
CUSTOMERS = 20_000
MOST_TURNS = 9


def view(customer: str, *own: str, tier: str = "plain", **traits: Any) -> tuple[int, bytes]:
    content = {
        "rev": 1,
        "customer_id": customer,
        "segments": [{"key": key, "name": key, "since": SINCE} for key in own],
        "segmentations": {"tier": {"key": tier, "name": tier, "since": SINCE}},
        "traits": traits,
    }
    return encode_view(content)


@pytest_asyncio.fixture
async def store(valkey: EmbeddedValkey, app_id: str) -> AsyncIterator[RedisStore]:
    """Yield a store in which every other customer of many is in `vip`, and every thousandth in `tier.gold`."""
    store = RedisStore(valkey.url, app_id)
    await store.start()
    await store.activate(RULES.version, RULES.source)
    await store.write_views(
        {
            f"c{number}": view(
                f"c{number}",
                *(("vip",) if number % 2 == 0 else ()),
                tier="plain" if number % 1_000 else "gold",
                email=f"c{number}@shop.example",
            )
            for number in range(CUSTOMERS)
        }
    )
    yield store
    await store.drop()
    await store.close()


async def come_and_go(store: RedisStore, turn: int) -> None:
    """Have the store's tables grow, and every third time shrink, by customers who are in."""
    await store.write_views({f"new{turn}-{number}": view(f"new{turn}-{number}", "vip") for number in range(3_000)})
    if turn % 3 == 2:
        names = [f"new{turn - back}-{number}" for back in range(3) for number in range(3_000)]
        keys = [store._names.view_prefix + name for name in names]  # noqa: SLF001 - nothing of ours removes a view
        await store._link.execute("UNLINK", *keys)  # noqa: SLF001 - as above


async def pages(
    http: HttpServer, key: str, limit: int, between: Callable[[int], Awaitable[None]] | None = None
) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    asked = {"limit": str(limit)}
    while True:
        answer = await http.client.get(f"/v1/segments/{key}/customers", params=asked, auth=(http.read_key, ""))
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert len(content["customers"]) <= limit
        found.append(content["customers"])
        if content["next_cursor"] is None:
            return found
        asked["cursor"] = content["next_cursor"]
        if between is not None and len(found) < MOST_TURNS:
            await between(len(found))


async def test_pages_have_everybody_who_stays(
    broker: Broker, valkey: EmbeddedValkey, topic_prefix: str, app_id: str, store: RedisStore
) -> None:
    staying = {f"c{number}" for number in range(0, CUSTOMERS, 2)}
    async with http_server(broker, valkey, topic_prefix, app_id) as http:
        for limit in (1_000, 333):
            found = await pages(http, "vip", limit, partial(come_and_go, store))
            ids = [member["customer_id"] for page in found for member in page]
            assert staying <= set(ids)
            assert all(customer in staying or customer.startswith("new") for customer in ids)
        gold = await pages(http, "tier.gold", 1_000)
        assert {member["customer_id"] for page in gold for member in page} == {
            f"c{number}" for number in range(0, CUSTOMERS, 1_000)
        }
        assert gold[0][0].keys() == {"customer_id", "since", "traits"}


async def export(valkey: EmbeddedValkey, app_id: str, *words: str, **more: str) -> tuple[int, bytes, str]:
    """Run the command; return its status, output and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from streams.cli import main; main()", "export", *words),
        env=os.environ | {"SEGUE_REDIS": valkey.url, "SEGUE_APP_ID": app_id} | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output, said.decode()


async def test_an_export_has_everybody_once(
    valkey: EmbeddedValkey, app_id: str, store: RedisStore, tmp_path: Path
) -> None:
    file = tmp_path / "vip.csv"
    exporting = asyncio.create_task(
        export(valkey, app_id, "vip", "--output", str(file), SEGUE_VIEW_TRAITS="plan,email")
    )
    for turn in range(MOST_TURNS):
        if not exporting.done():
            await come_and_go(store, turn)
    status, output, said = await exporting
    assert (status, output) == (0, b""), said
    with file.open(newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["customer_id", "since", "plan", "email"]
    ids = [row[0] for row in rows]
    assert len(ids) == len(set(ids))
    assert {f"c{number}" for number in range(0, CUSTOMERS, 2)} <= set(ids)
    assert ["c42", SINCE, "", "c42@shop.example"] in rows
    assert f"vip: {len(ids):,} customers, each as of 20" in said


async def test_an_export_may_be_lines_of_json_and_ids_may_hold_anything(
    valkey: EmbeddedValkey, app_id: str, store: RedisStore
) -> None:
    odd = ['a,"b"\nc', "=1+1", "\x00", "日本 🦊"]
    traits: dict[str, Any] = {"tags": ["a", "b"], "name": 'Ann "A", O\'B', "vip": True}
    await store.write_views({customer: view(customer, tier="odd", **traits) for customer in odd})
    await store.write_views({customer: view(customer, tier="gold", **traits) for customer in odd})
    status, output, said = await export(valkey, app_id, "gold", "--format", "jsonl")
    assert status == 0, said
    found = {row["customer_id"]: row for row in map(orjson.loads, output.splitlines())}
    assert len(found) == CUSTOMERS / 1_000 + len(odd)
    assert found["=1+1"] == {"customer_id": "=1+1", "since": SINCE, "traits": traits}
    status, output, said = await export(valkey, app_id, "tier.gold", SEGUE_VIEW_TRAITS="tags,name,vip")
    assert status == 0, said
    rows = list(csv.reader(output.decode().splitlines(keepends=True)))
    assert ['a,"b"\nc', SINCE, '["a","b"]', 'Ann "A", O\'B', "true"] in rows
    assert "'=1+1" in [row[0] for row in rows]  # a spreadsheet would work it out
    assert len(rows) == len(found) + 1


async def test_an_export_of_what_is_none_says_so_and_leaves_the_file_alone(
    valkey: EmbeddedValkey, app_id: str, store: RedisStore, tmp_path: Path
) -> None:
    del store
    file = tmp_path / "vip.csv"
    file.write_text("kept")
    status, _, said = await export(valkey, app_id, "vpi", "--output", str(file))
    assert (status, file.read_text()) == (1, "kept")
    assert said == "no segment has the key 'vpi'; did you mean vip?\n"
    status, _, said = await export(valkey, app_id, "tier")
    assert (status, "tier.gold, tier.plain" in said) == (1, True)
    status, _, said = await export(valkey, app_id, "vip", "--output", str(tmp_path / "no" / "where.csv"))
    assert (status, "cannot be written" in said) == (1, True)
    status, _, said = await export(valkey, f"{app_id}x", "vip")
    assert (status, "no ruleset is active" in said) == (1, True)
