"""The HTTP edges under load: ingest beside a bare endpoint, lookup beside ingest, the stream, and webhooks.

The servers, the worker, the broker, the store and the client that asks are processes of their own on this machine.
"""

from __future__ import annotations

import argparse
import asyncio

from benchmarks.http_ingest import ingest
from benchmarks.http_lookup import lookup
from benchmarks.http_site import open_site
from benchmarks.http_stream import stream
from benchmarks.http_webhook import webhook

PARTS = {"ingest": ingest, "lookup": lookup, "stream": stream, "webhook": webhook}


async def main() -> None:
    """Run the parts, each on services of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--broker", choices=("embedded", "kafka"), default="embedded")
    parser.add_argument("--seconds", type=float, default=6.0, help="how long each run takes")
    parser.add_argument("--runs", type=int, default=3, help="of each kind")
    parser.add_argument("--only", choices=PARTS, help="one part alone")
    arguments = parser.parse_args()
    for name, part in PARTS.items():
        if arguments.only in {None, name}:
            async with open_site(arguments.broker, arguments.seconds, arguments.runs) as site:
                await part(site)


if __name__ == "__main__":
    asyncio.run(main())
