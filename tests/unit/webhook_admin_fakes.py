"""Managing webhooks without Redis or a network: endpoints in a dict, deliveries that are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from rules.errors import ServiceError
from state.webhooks.endpoints import Endpoint, UnknownEndpoint
from state.webhooks.queues import Dead, Delivery, Standing
from streams.http.webhooks.attempt import Outcome
from streams.http.webhooks.deliveries import BrokerAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.http.webhooks.manage import Resume

NOW_MS = 1_772_366_400_000
"""2026-03-01T12:00:00Z."""


class FakeEndpoints:
    """Stands for `state.webhooks.endpoints.Endpoints`; `away` it does not answer."""

    def __init__(self) -> None:
        self.kept: dict[str, Endpoint] = {}
        self.away = False

    def _ask(self) -> None:
        if self.away:
            message = "no answer from redis://secret-host"
            raise ServiceError(message)

    async def all(self) -> list[Endpoint]:
        self._ask()
        return list(self.kept.values())

    async def get(self, identity: str) -> Endpoint:
        self._ask()
        if identity not in self.kept:
            message = f"there is no endpoint {identity!r}: `segue webhooks list` names all"
            raise UnknownEndpoint(message)
        return self.kept[identity]

    async def change(self, identity: str, edit: Callable[[Endpoint], Endpoint]) -> Endpoint:
        self.kept[identity] = edit(await self.get(identity))
        return self.kept[identity]

    async def rotate(self, identity: str, secret: str, now_ms: int) -> Endpoint:
        old = (await self.get(identity)).secret
        return await self.change(
            identity, lambda before: replace(before, secret=secret, previous_secret=old, rotated_ms=now_ms)
        )


class FakeDeliveries:
    """Stands for `streams.http.webhooks.manage.Deliveries`: says what it was asked."""

    def __init__(self, endpoints: FakeEndpoints) -> None:
        self.endpoints = endpoints
        self.asked: list[tuple[str, object]] = []
        self.spent: list[Dead] = []
        self.broker_away = False

    async def add(self, endpoint: Endpoint, *, backfill: bool) -> Endpoint:
        self.asked.append(("add", backfill))
        if self.broker_away:
            message = "no answer from broker:9092"
            raise BrokerAway(message)
        self.endpoints.kept[endpoint.id] = endpoint
        return endpoint

    async def enable(self, identity: str, *, resume: Resume) -> Endpoint:
        self.asked.append(("enable", resume))
        return await self.endpoints.change(
            identity, lambda before: replace(before, enabled=True, disabled=None, disabled_ms=None)
        )

    async def disable(self, identity: str) -> Endpoint:
        self.asked.append(("disable", identity))
        return await self.endpoints.change(
            identity, lambda before: replace(before, enabled=False, disabled="asked", disabled_ms=NOW_MS)
        )

    async def remove(self, identity: str) -> None:
        await self.endpoints.get(identity)
        del self.endpoints.kept[identity]

    async def standing(self, identity: str) -> Standing:
        await self.endpoints.get(identity)
        last = f'{{"at":{NOW_MS},"status":500,"failure":null,"shown":"no"}}'
        return Standing(None, None, 3, 10, 2, 1, len(self.spent), NOW_MS, last)

    async def dead(self, identity: str, limit: int) -> list[Dead]:
        await self.endpoints.get(identity)
        return self.spent[:limit]

    async def resend(self, identity: str, delivery_id: str | None) -> int:
        await self.endpoints.get(identity)
        wanted = [dead for dead in self.spent if delivery_id in (None, dead.delivery.id)]
        self.spent = [dead for dead in self.spent if dead not in wanted]
        return len(wanted)

    def spend(self, number: int) -> None:
        """Give a delivery up."""
        delivery = Delivery(f"d-{number}", "c42", NOW_MS, b'{"type":"segment.entered"}')
        self.spent.append(Dead(number, NOW_MS, 10, 500, None, "no", delivery))


class FakeSender:
    """Stands for a `Sender`: says what it sent, and what it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Endpoint, str, bytes, int]] = []
        self.outcome = Outcome(status=200, shown="ok", seconds=0.0123)

    async def send(self, endpoint: Endpoint, delivery_id: str, body: bytes, *, at_s: int) -> Outcome:
        self.sent.append((endpoint, delivery_id, body, at_s))
        return self.outcome
