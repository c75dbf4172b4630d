"""A marketing tool's side of a webhook: it asks for the changes it wants, verifies each, and acts on it once.

    segue up --rules examples/shop/rules.yaml --ready-file segue.json
    python examples/marketing/listener.py segue.json           # until Ctrl-C; the webhook is removed at the end

It verifies with the Standard Webhooks library (`pip install standardwebhooks`); there is one for most languages.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections import OrderedDict
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from standardwebhooks import Webhook, WebhookVerificationError

SEGMENTS = ["cart_left", "big_basket", "stage"]
REMEMBERED = 10_000


class Marketing:
    """What hears of changes, and acts on each once."""

    def __init__(self) -> None:
        """Begin with no secret: it comes with the webhook."""
        self.secret = ""
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def hear(self, request: web.Request) -> web.Response:
        """Take one delivery: verified first, and answered before anything slow is done."""
        body = await request.read()
        try:
            message = Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError as error:
            print(f"refused: {error}", flush=True)
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        if self._is_new(request.headers["webhook-id"]):
            act(message["type"], message["data"])
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _is_new(self, delivery: str) -> bool:
        """Whether this one was not here before: each comes once at least."""
        if delivery in self._seen:
            return False
        self._seen[delivery] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return True


def act(what: str, change: dict[str, Any]) -> None:
    """Do what marketing does: here, say it."""
    segment = change["segment"] if change["segmentation"] is None else f"{change['segmentation']}.{change['segment']}"
    email = change.get("traits", {}).get("email", "no address")
    why = "; ".join(one["text"] if one["holds"] else f"not: {one['text']}" for one in change["because"])
    print(f"{what}  {change['customer_id']} <{email}>  {segment}  {why}", flush=True)


async def listen(where: dict[str, str], port: int) -> None:
    """Listen, then have a webhook for as long as this runs."""
    marketing, app = Marketing(), web.Application()
    app.add_routes([web.post("/segue", marketing.hear)])
    runner = web.AppRunner(app, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    wanted = {
        "url": f"http://127.0.0.1:{port}/segue",
        "segments": SEGMENTS,
        "changes": ["entered"],
        "traits": ["email"],
    }
    key = {"Authorization": f"Bearer {where['admin_key']}"}
    async with ClientSession(where["http"], headers=key, timeout=ClientTimeout(10)) as segue:
        async with segue.post("/v1/webhooks", json=wanted) as answer:
            made = await answer.json()
            if answer.status != HTTPStatus.CREATED:
                raise SystemExit(made["message"])
        marketing.secret = made["secret"]  # shown this once
        print(f"listening for {', '.join(SEGMENTS)}", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await segue.delete(f"/v1/webhooks/{made['id']}")
            await runner.cleanup()


def main() -> None:
    """Listen until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Verifies segue's webhooks, and acts on them.")
    parser.add_argument("ready", type=Path, help="what `segue up --ready-file` wrote")
    parser.add_argument("--port", type=int, default=8091)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listen(json.loads(arguments.ready.read_text()), arguments.port))


if __name__ == "__main__":
    main()
