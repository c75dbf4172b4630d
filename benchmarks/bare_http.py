"""The endpoint that ingest is compared with: the same server, and nothing but the JSON parsed and an answer."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from streams.http.listen import listening
from streams.settings import Settings

if TYPE_CHECKING:
    from starlette.requests import Request


async def parse(request: Request) -> Response:
    """Parse the body and answer."""
    orjson.loads(await request.body())
    return Response(b'{"success":true}', media_type="application/json")


async def main() -> None:
    """Serve on the port that the command line names, until killed."""
    app = Starlette(routes=[Route(path, parse, methods=["POST"]) for path in ("/v1/track", "/v1/batch")])
    async with listening(app, Settings(http_port=int(sys.argv[1]))):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
