"""A chat's backend: serves the page, gives it a token for its one visitor, and sends what the visitor does.

    segue up --rules examples/shop/rules.yaml --ready-file segue.json
    python examples/chat/server.py segue.json                  # then open http://127.0.0.1:8090/?visitor=ada

The read key stays here: whoever has it can look everybody up. The page gets a token that is good for one customer and
15 minutes. A real backend knows from its session who the visitor is; here the page says so.
"""

from __future__ import annotations

import argparse
import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import ClientSession, web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAGE = Path(__file__).with_name("index.html")
SEGUE = web.AppKey("segue", ClientSession)
WHERE = web.AppKey("where", dict)


async def page(request: web.Request) -> web.StreamResponse:
    """Serve the page."""
    return web.FileResponse(PAGE)


async def token(request: web.Request) -> web.Response:
    """Ask segue for a token for this visitor, and tell the page where segue is."""
    wanted = {"customer_id": (await request.json())["visitor"], "ttl": "15m"}
    where = request.app[WHERE]
    async with request.app[SEGUE].post("/v1/tokens", json=wanted, headers=_key(where["read_key"])) as answer:
        body = await answer.json()
        if answer.status != HTTPStatus.OK:
            return web.json_response(body, status=HTTPStatus.BAD_GATEWAY)
        return web.json_response({"segue": where["http"], "token": body["token"]})


async def did(request: web.Request) -> web.Response:
    """Send what the visitor did, as the shop's own backend would."""
    said: dict[str, Any] = await request.json()
    event = {"userId": said["visitor"], "event": said["event"], "properties": said.get("properties", {})}
    key = _key(request.app[WHERE]["write_key"])
    async with request.app[SEGUE].post("/v1/track", json=event, headers=key) as answer:
        return web.json_response(await answer.json(), status=answer.status)


async def segue(app: web.Application) -> AsyncIterator[None]:
    """Keep one session to segue open."""
    app[SEGUE] = ClientSession(app[WHERE]["http"])
    yield
    await app[SEGUE].close()


def _key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="A chat page that shows its visitor's segments live.")
    parser.add_argument("ready", type=Path, help="what `segue up --ready-file` wrote")
    parser.add_argument("--port", type=int, default=8090)
    arguments = parser.parse_args()
    app = web.Application()
    app[WHERE] = json.loads(arguments.ready.read_text())
    app.cleanup_ctx.append(segue)
    app.add_routes([web.get("/", page), web.post("/token", token), web.post("/did", did)])
    web.run_app(app, host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main()
