"""A stored customer explained: read, never written, and worked out beside the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn

from rules.wording import nearest, shown
from streams.explain import ahead, explain, meant, segments_of
from streams.http.errors import HttpError
from streams.replay.sender import partition_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from state.engine import Engine
    from streams.explain import Named
    from streams.http.lookup.reads import Reads
    from streams.http.lookup.rules import ActiveRules


class Explainer:
    """Explains customers, one at a time: one that takes long does not take the event loop with it."""

    def __init__(self, reads: Reads, rules: ActiveRules, partitions: int, now_ms: Callable[[], int]) -> None:
        """`partitions` is how many the event topic has; `now_ms` says what time it is."""
        self._reads = reads
        self._rules = rules
        self._partitions = partitions
        self._now_ms = now_ms
        self._turn = asyncio.Lock()

    async def explain(self, customer: str, segment: str | None) -> dict[str, Any] | None:
        """Return a customer explained, all segments or those that are meant; None for an unknown customer.

        Raises `HttpError` for an unknown segment, or where no ruleset is active yet, and `ServiceError`.
        """
        engine = (await self._rules.get()).engine
        partition = partition_of(customer.encode(), self._partitions)
        data = (await self._reads.load(partition, [customer]))[0]
        if data is None:
            return None
        if not engine.knows_form(data):  # as under the ruleset before, until the partition has changed over
            engine.learn_forms((await self._reads.head(partition)).forms)
        async with self._turn:
            return await asyncio.to_thread(explained, engine, customer, data, segment, self._now_ms())


def explained(engine: Engine, customer: str, data: bytes, segment: str | None, now_ms: int) -> dict[str, Any]:
    """Return a stored customer explained at `now_ms`, or at the nearest instant that their profile can say."""
    profile = engine.decode(customer, data)
    segments = segments_of(engine, profile.levels)
    if segment is not None:
        segments = meant(segments, segment) or unknown_segment(segments, segment)
    behind = profile.version != engine.version
    future = None if behind else ahead(engine, engine.decode(customer, data), {one.name for one in segments})
    return explain(engine, profile, future, segments, max(profile.clock, min(now_ms, profile.due - 1)))


def unknown_segment(segments: Sequence[Named], key: str) -> NoReturn:
    """Raise the `HttpError` (404) of a key that no segment has."""
    known = [word for one in segments for word in (one.name, one.segment, one.segmentation) if word]
    near = nearest(key, list(dict.fromkeys(known)))
    remedy = f"did you mean {near}?" if near else "GET /v1/segments lists all"
    raise HttpError(404, "unknown_segment", f"no segment has the key {shown(key)}; {remedy}", path="segment")
