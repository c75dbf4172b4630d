"""Worlds as items of HTTP ingest: never a 5xx, no good item lost beside bad ones, no bad record behind it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streams.http.ingest.items import MAX_ITEM_BYTES
from tests.fuzz.judge import MAX_MS, MIN_MS
from tests.oracle.wire import Event, event_or_faults
from tests.unit.http_fakes import is_flat, served

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    import httpx

    from tests.fuzz.worlds import Sent
    from tests.unit.http_fakes import Served

ITEMS = 20
ROUTES = ("track", "identify", "page", "screen", "group", "alias", "batch", "import", "t", "b")
CLOCKS = (b'"timestamp"', b'"sentAt"', b'"originalTimestamp"', b"\\u")
"""What has one of these may be refused for a time that a clock's correction takes out of the years 1 to 9999."""


async def check(world: Sequence[Sent], became: Counter[str]) -> list[str]:
    """Send a world, as batches and as bodies of their own; return what is wrong, a line each."""
    faults: list[str] = []
    values = [sent.value or b"" for sent in world]
    # an item that is no JSON breaks the batch open; as a body, and alone in a batch of good ones, it may do so
    apart = [value for value in values if _is_json(value)]
    async with served() as app:
        for at in range(0, len(apart), ITEMS):
            faults += await _batch(app, apart[at : at + ITEMS], became)
        for number, value in enumerate(values):
            faults += await _alone(app, value, ROUTES[number % len(ROUTES)], became)
            if number % ITEMS == 0:
                faults += _flat(await app.post("/v1/batch", b'{"batch":[%b]}' % value), value)
        for key, value in ((key, value) for _, _, key, value, _ in app.producer.taken if key is not None):
            event = event_or_faults(value)
            if not isinstance(event, Event) or event.customer.encode() != key:
                faults.append(f"taken, and is no record: {value[:2_000]!r}")
    return faults


async def _batch(app: Served, items: Sequence[bytes], became: Counter[str]) -> list[str]:
    answer = await app.post("/v1/batch", b'{"batch":[' + b",".join(items) + b"]}")
    faults = _flat(answer, items)
    if faults or answer.status_code == 413:
        return faults
    body = answer.json()
    refused = {error["path"].split(".")[0]: error["code"] for error in body.get("errors", ())}
    if body.get("rejected", 0) != len(refused):
        faults.append(f"{len(refused)} errors for {body.get('rejected')} bad items")
    for number, item in enumerate(items):
        code = refused.get(f"batch[{number}]")
        became["taken" if code is None else code] += 1
        if code is not None and not _may_be_refused(item, code):
            faults.append(f"refused as {code}, and is good: {item[:2_000]!r}")
        if code is None and len(item) > MAX_ITEM_BYTES:
            faults.append(f"taken with {len(item)} bytes")
    return faults


async def _alone(app: Served, value: bytes, route: str, became: Counter[str]) -> list[str]:
    answer = await app.post(f"/v1/{route}", value)
    became[f"alone: {answer.status_code}"] += 1
    return _flat(answer, value)


def _flat(answer: httpx.Response, sent: object) -> list[str]:
    """Hold an answer to the contract: 200, or a flat error that is the sender's."""
    if answer.status_code == 200 and answer.json()["success"] is True:
        return []
    if answer.status_code not in (400, 413):
        return [f"{answer.status_code}: {answer.text[:500]} for {str(sent)[:2_000]}"]
    try:
        is_flat(answer, answer.status_code, answer.json()["code"])
    except AssertionError as error:
        return [f"{error} for {str(sent)[:2_000]}"]
    return []


def _may_be_refused(item: bytes, code: str) -> bool:
    """Whether an item is bad, or good on the topic and yet too much for HTTP."""
    event = event_or_faults(item)
    if not isinstance(event, Event) or len(item) > MAX_ITEM_BYTES:
        return True
    if event.ts is not None and not MIN_MS <= event.ts <= MAX_MS:
        return True
    return code == "bad_timestamp" and any(name in item for name in CLOCKS)


def _is_json(value: bytes) -> bool:
    """Whether a value's brackets and quotes close, so that the batch around it stays one."""
    try:
        json.loads(value.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True
