"""The edges that `segue serve` has: name -> how it is opened.

An edge is a context manager: entered, it has started what it needs and yields its routes; left, it has finished what
was under way. The server has stopped taking requests by then. To add one, write its module and name it here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streams.http.ingest.edge import ingest
from streams.http.lookup.edge import lookup
from streams.http.webhooks.edge import webhooks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from fastapi import APIRouter

    from streams.http.parts import HttpParts


class Edge(Protocol):
    """How an edge is opened."""

    def __call__(self, parts: HttpParts) -> AbstractAsyncContextManager[APIRouter]:
        """Open it for as long as the context lasts."""


EDGES: Mapping[str, Edge] = {"ingest": ingest, "lookup": lookup, "webhooks": webhooks}
