"""Webhooks without a network and without waiting: a driven clock, and endpoints that answer as they are told."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from state.change import Change
from state.webhooks.endpoints import Endpoint
from streams.changes import headers_of, make_entry, value_of
from streams.http.webhooks.attempt import Outcome
from tests.patience import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_MS = 1_772_366_400_000
"""2026-03-01T12:00:00Z."""


class DrivenClock:
    """Stands still until it is told to go on."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self._now_ms

    async def wait(self, event: asyncio.Event, until_ms: float | None) -> None:
        if until_ms is None:
            await event.wait()
            return
        if until_ms <= self._now_ms:
            return
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (until_ms, self._count, due))
        told = asyncio.create_task(event.wait())
        both: list[asyncio.Future[Any]] = [due, told]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # not awaited: that would swallow a cancellation of who waits here
            due.cancel()
            told.cancel()

    @property
    def next_ms(self) -> float | None:
        """When the first of those that wait is due."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def go(self, to_ms: float) -> None:
        """Go on to an instant, and wake whoever waited for it."""
        self._now_ms = max(self._now_ms, int(-(-to_ms // 1)))
        while (next_ms := self.next_ms) is not None and next_ms <= self._now_ms:
            heapq.heappop(self._waiting)[2].set_result(None)

    async def drive(self, met: Callable[[], bool], *, quiet_s: float = 0.02) -> None:
        """Go from one instant at which something is due to the next, letting things settle, until this is met."""
        async with asyncio.timeout(PATIENCE_S):
            while not met():
                await asyncio.sleep(quiet_s)
                if not met() and (next_ms := self.next_ms) is not None:
                    self.go(next_ms)


class Attempt:
    """One attempt that an endpoint saw."""

    def __init__(self, endpoint: str, delivery_id: str, body: bytes, at_s: int) -> None:
        self.endpoint = endpoint
        self.id = delivery_id
        self.body = orjson.loads(body)
        self.bytes = body
        self.at_s = at_s

    @property
    def customer(self) -> str:
        return str(self.body["data"]["customer_id"])

    @property
    def seq(self) -> int:
        return int(self.body["data"]["seq"])


class ScriptedSender:
    """Answers as `answer` says, 200 where it says nothing; keeps what it saw, and what it said was good."""

    def __init__(self) -> None:
        self.seen: list[Attempt] = []
        self.good: list[Attempt] = []
        self.answer: Callable[[Attempt], Outcome | asyncio.Event | None] = lambda _: None
        self.under_way: Counter[str] = Counter()
        self.most_at_once: Counter[str] = Counter()

    async def send(self, endpoint: Endpoint, delivery_id: str, body: bytes, *, at_s: int) -> Outcome:
        attempt = Attempt(endpoint.id, delivery_id, body, at_s)
        self.seen.append(attempt)
        self.under_way[endpoint.id] += 1
        self.most_at_once[endpoint.id] = max(self.most_at_once[endpoint.id], self.under_way[endpoint.id])
        try:
            await asyncio.sleep(0)
            answer = self.answer(attempt)
            if isinstance(answer, asyncio.Event):  # it hangs until then
                await answer.wait()
                answer = None
        finally:
            self.under_way[endpoint.id] -= 1
        outcome = answer or Outcome(status=200)
        if outcome.good:
            self.good.append(attempt)
        return outcome

    def at(self, endpoint: str) -> list[Attempt]:
        """Return what one endpoint took, in order."""
        return [attempt for attempt in self.good if attempt.endpoint == endpoint]


def endpoint_of(identity: str = "ep_1", **fields: Any) -> Endpoint:
    """Return an endpoint's record."""
    values: dict[str, Any] = {"id": identity, "url": "https://hooks.example/x", "secret": "s", "created_ms": START_MS}
    return Endpoint(**(values | fields))


def change_of(customer: str, seq: int, **fields: Any) -> Change:
    """Return a change: entered at odd numbers, exited at even ones."""
    values: dict[str, Any] = {
        "customer": customer,
        "seq": seq,
        "change": "entered" if seq % 2 else "exited",
        "segment": "vip",
        "segmentation": None,
        "other": None,
        "at": START_MS + seq,
        "cause": {"type": "event", "event": "Bought", "message_id": f"m{seq}"},
        "because": [],
        "segments": ["vip"] if seq % 2 else [],
        "ruleset": "abc",
    }
    return Change(**(values | fields))


def record_of(app_id: str, change: Change) -> tuple[bytes, bytes, Sequence[tuple[str, bytes]]]:
    """Return key, value and headers of a change as the worker writes it."""
    entry = make_entry(app_id, change, 1)
    return change.customer.encode(), value_of(entry, "2026-03-01T12:00:01.000Z"), headers_of(app_id, entry)
